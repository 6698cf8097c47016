// The example server of zitadel/oidc, with the clients of the interop tests. For tests only.
//
//	zitadel --port P --jwk FILE --endpoints FILE
//
// Pages, endpoints and settings are the example's. Its storage knows tokens of the code grant alone,
// so what the device grant needs of one is here: clients by method, rotation, and the owner of a
// token. It keeps everything in memory and ends when its standard input does.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	module    = "github.com/zitadel/oidc/v3"
	secret    = "correct-horse-battery-staple-for-hs256"
	person    = "alice"
	password  = "any will do"
	accessTTL = time.Hour
	interval  = 5 * time.Second
	briefly   = 3 * time.Second
)

// client is one registered client.
type client struct {
	id, secret string
	method     oidc.AuthMethod
	grants     []oidc.GrantType
}

func (c *client) GetID() string                        { return c.id }
func (c *client) RedirectURIs() []string               { return nil }
func (c *client) PostLogoutRedirectURIs() []string     { return nil }
func (c *client) AuthMethod() oidc.AuthMethod          { return c.method }
func (c *client) ResponseTypes() []oidc.ResponseType   { return nil }
func (c *client) GrantTypes() []oidc.GrantType         { return c.grants }
func (c *client) LoginURL(string) string               { return "" }
func (c *client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration       { return accessTTL }
func (c *client) DevMode() bool                        { return false }
func (c *client) IsScopeAllowed(scope string) bool     { return scope == "api:read" }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (c *client) ClockSkew() time.Duration             { return 0 }
func (c *client) ApplicationType() op.ApplicationType {
	if c.method == oidc.AuthMethodNone {
		return op.ApplicationTypeNative
	}
	return op.ApplicationTypeWeb
}
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return all }
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return all }

func all(scopes []string) []string { return scopes }

var device = []oidc.GrantType{oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken}
var machine = []oidc.GrantType{oidc.GrantTypeClientCredentials}
var clients = map[string]*client{}

func register(known ...*client) {
	for _, each := range known {
		clients[each.id] = each
	}
}

// unknown makes the library answer invalid_client and not server_error.
type unknown struct{}

func (unknown) Error() string { return "unknown client" }
func (unknown) IsNotFound()   {}

// token is an access token and its refresh token.
type token struct {
	id, refresh, client, subject string
	scopes, audience             []string
	expires, began               time.Time
}

type request struct{ *token }

func (r request) GetAMR() []string                 { return []string{"pwd"} }
func (r request) GetAudience() []string            { return r.audience }
func (r request) GetAuthTime() time.Time           { return r.began }
func (r request) GetClientID() string              { return r.client }
func (r request) GetScopes() []string              { return r.scopes }
func (r request) GetSubject() string               { return r.subject }
func (r request) SetCurrentScopes(scopes []string) { r.scopes = scopes }

type code struct {
	user  string
	state op.DeviceAuthorizationState
	asked time.Time
}

type server struct {
	*storage.Storage
	lock   sync.Mutex
	access map[string]*token
	renews map[string]*token
	codes  map[string]*code
	key    jose.JSONWebKey
}

func (s *server) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	if found, ok := clients[id]; ok {
		return found, nil
	}
	return nil, unknown{}
}

func (s *server) AuthorizeClientIDSecret(_ context.Context, id, given string) error {
	if found, ok := clients[id]; !ok || found.secret == "" || found.secret != given {
		return unknown{}
	}
	return nil
}

func (s *server) ClientCredentials(ctx context.Context, id, given string) (op.Client, error) {
	if err := s.AuthorizeClientIDSecret(ctx, id, given); err != nil {
		return nil, err
	}
	return clients[id], nil
}

func (s *server) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	// Not the id: the library keeps "token:subject" in an access token, and reads no second colon.
	return request{&token{client: id, subject: "machine", scopes: scopes, audience: []string{id}}}, nil
}

func (s *server) GetKeyByIDAndClientID(_ context.Context, key, id string) (*jose.JSONWebKey, error) {
	if found, ok := clients[id]; !ok || found.method != oidc.AuthMethodPrivateKeyJWT || key != s.key.KeyID {
		return nil, unknown{}
	}
	return &s.key, nil
}

func (s *server) issue(asked op.TokenRequest, renewable bool) *token {
	owner := asked.(interface{ GetClientID() string }).GetClientID()
	made := &token{
		id: uuid.NewString(), client: owner, subject: asked.GetSubject(), scopes: asked.GetScopes(),
		audience: asked.GetAudience(), began: time.Now(), expires: time.Now().Add(accessTTL),
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.access[made.id] = made
	if renewable {
		made.refresh = uuid.NewString()
		s.renews[made.refresh] = made
	}
	return made
}

func (s *server) CreateAccessToken(_ context.Context, asked op.TokenRequest) (string, time.Time, error) {
	made := s.issue(asked, false)
	return made.id, made.expires, nil
}

func (s *server) CreateAccessAndRefreshTokens(_ context.Context, asked op.TokenRequest, current string) (string, string, time.Time, error) {
	if current != "" {
		s.lock.Lock()
		old, ok := s.renews[current]
		delete(s.renews, current)
		if ok {
			delete(s.access, old.id)
		}
		s.lock.Unlock()
		if !ok {
			return "", "", time.Time{}, oidc.ErrInvalidGrant()
		}
	}
	made := s.issue(asked, true)
	return made.id, made.refresh, made.expires, nil
}

func (s *server) TokenRequestByRefreshToken(_ context.Context, given string) (op.RefreshTokenRequest, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if found, ok := s.renews[given]; ok {
		return request{found}, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

func (s *server) GetRefreshTokenInfo(_ context.Context, _, given string) (string, string, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if found, ok := s.renews[given]; ok {
		return found.subject, found.refresh, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

func (s *server) RevokeToken(_ context.Context, given, _, owner string) *oidc.Error {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, ok := s.access[given]
	if !ok {
		found, ok = s.renews[given]
	}
	if !ok {
		return nil
	}
	if found.client != owner {
		return oidc.ErrInvalidClient().WithDescription("token was not issued for this client")
	}
	delete(s.access, found.id)
	if given == found.refresh {
		delete(s.renews, given)
	}
	return nil
}

func (s *server) live(id string) (*token, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if found, ok := s.access[id]; ok && time.Now().Before(found.expires) {
		return found, nil
	}
	return nil, errors.New("token is invalid or has expired")
}

func (s *server) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, id, _, _ string) error {
	found, err := s.live(id)
	if err == nil {
		info.Subject = found.subject
	}
	return err
}

func (s *server) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, _ string, _ []string) error {
	info.Subject = subject
	return nil
}

func (s *server) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, asked op.IDTokenRequest, _ []string) error {
	info.Subject = asked.GetSubject()
	return nil
}

func (s *server) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return nil, nil
}

func (s *server) SetIntrospectionFromToken(_ context.Context, said *oidc.IntrospectionResponse, id, _, owner string) error {
	found, err := s.live(id)
	if err != nil || found.client != owner {
		return errors.Join(err, errors.New("not a live token of this client"))
	}
	said.Subject, said.ClientID, said.Scope = found.subject, found.client, found.scopes
	said.Expiration = oidc.FromTime(found.expires)
	return nil
}

func (s *server) CheckUsernamePasswordSimple(name, given string) error {
	if name == person && given == password {
		return nil
	}
	return errors.New("username or password wrong")
}

func (s *server) StoreDeviceAuthorization(_ context.Context, id, deviceCode, userCode string, expires time.Time, scopes []string) error {
	if id == "device-brief" { // the example gives every code five minutes, and tells nobody of this
		expires = time.Now().Add(briefly)
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.codes[deviceCode] = &code{user: userCode, state: op.DeviceAuthorizationState{ClientID: id, Scopes: scopes, Expires: expires}}
	return nil
}

func (s *server) GetDeviceAuthorizatonState(ctx context.Context, id, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, ok := s.codes[deviceCode]
	if !ok || found.state.ClientID != id {
		return nil, errors.New("device code not found for client")
	}
	state := found.state
	early := time.Since(found.asked) < interval
	found.asked = time.Now()
	if state.Done {
		delete(s.codes, deviceCode)
	} else if early && !state.Denied && time.Now().Before(state.Expires) {
		return nil, context.DeadlineExceeded // the library's word for slow_down
	}
	return &state, nil
}

func (s *server) of(userCode string) (*code, error) {
	for _, each := range s.codes {
		if each.user == userCode && time.Now().Before(each.state.Expires) {
			return each, nil
		}
	}
	return nil, errors.New("user code not found")
}

func (s *server) GetDeviceAuthorizationByUserCode(_ context.Context, userCode string) (*op.DeviceAuthorizationState, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, err := s.of(userCode)
	if err != nil {
		return nil, err
	}
	state := found.state
	return &state, nil
}

func (s *server) CompleteDeviceAuthorization(_ context.Context, userCode, subject string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, err := s.of(userCode)
	if err == nil {
		found.state.Done, found.state.Subject, found.state.AuthTime = true, subject, time.Now()
	}
	return err
}

func (s *server) DenyDeviceAuthorization(_ context.Context, userCode string) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	found, err := s.of(userCode)
	if err == nil {
		found.state.Denied = true
	}
	return err
}

func main() {
	port := flag.Int("port", 0, "the port on loopback")
	jwk := flag.String("jwk", "", "the public key of clients that sign")
	endpoints := flag.String("endpoints", "", "written when the server listens")
	flag.Parse()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	register(
		&client{"device-public", "", oidc.AuthMethodNone, device},
		&client{"device-basic", secret, oidc.AuthMethodBasic, device},
		&client{"device-brief", secret, oidc.AuthMethodBasic, device},
		&client{"device-private-jwt", "", oidc.AuthMethodPrivateKeyJWT, device},
		&client{"cc-basic", secret, oidc.AuthMethodBasic, machine},
		&client{"cc-post", secret, oidc.AuthMethodPost, machine},
		&client{"odd +%/&=:ä%2B", "p+%/&=: ä%C3%A4", oidc.AuthMethodBasic, machine},
	)
	made := &server{
		Storage: storage.NewStorage(storage.NewUserStore("http://127.0.0.1:0/")),
		access:  map[string]*token{}, renews: map[string]*token{}, codes: map[string]*code{},
	}
	text, err := os.ReadFile(*jwk)
	if err == nil {
		err = json.Unmarshal(text, &made.key)
	}
	if err != nil {
		log.Fatal(err)
	}
	issuer := fmt.Sprintf("http://127.0.0.1:%d", *port)
	router := exampleop.SetupServer(issuer, made, slog.New(slog.DiscardHandler), false)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", *port))
	if err != nil {
		log.Fatal(err)
	}
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, each := range info.Deps {
			if each.Path == module {
				version = each.Version
			}
		}
	}
	text, _ = json.Marshal(map[string]string{"version": version})
	if err = os.WriteFile(*endpoints+".partial", text, 0o600); err == nil {
		err = os.Rename(*endpoints+".partial", *endpoints)
	}
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, router))
}

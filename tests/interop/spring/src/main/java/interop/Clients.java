package interop;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.MacAlgorithm;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;

/** The clients, by what they are for. tests/interop knows the same ids and secrets. */
@Configuration
class Clients {

    private static final String SECRET = "-correct-horse-battery-staple-for-hs256";

    @Bean
    RegisteredClientRepository registered(@Value("${http.port}") int port) {
        String keys = "http://127.0.0.1:" + port + "/client-keys";
        List<RegisteredClient> clients = new ArrayList<>();
        clients.add(device("device-public", ClientAuthenticationMethod.NONE, all -> all).build());
        clients.add(device("device-basic", ClientAuthenticationMethod.CLIENT_SECRET_BASIC, all -> all).build());
        clients.add(device("device-brief", ClientAuthenticationMethod.CLIENT_SECRET_BASIC,
                all -> all.deviceCodeTimeToLive(Duration.ofSeconds(7))).build());
        clients.add(device("device-private-jwt", ClientAuthenticationMethod.PRIVATE_KEY_JWT, all -> all)
                .clientSettings(signing(keys)).build());
        clients.add(device("device-mtls", ClientAuthenticationMethod.TLS_CLIENT_AUTH,
                all -> all.x509CertificateBoundAccessTokens(true))
                .clientSettings(ClientSettings.builder().x509CertificateSubjectDN("CN=client").build()).build());
        clients.add(machine("cc-basic", ClientAuthenticationMethod.CLIENT_SECRET_BASIC).build());
        clients.add(machine("cc-post", ClientAuthenticationMethod.CLIENT_SECRET_POST).build());
        clients.add(machine("odd", ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
                .clientId("odd +%/&=:%C3%A4").clientSecret("{noop}p+%/&=: ä%C3%A4").build());
        clients.add(machine("cc-secret-jwt", ClientAuthenticationMethod.CLIENT_SECRET_JWT).clientSecret("cc-secret-jwt" + SECRET)
                .clientSettings(ClientSettings.builder()
                        .tokenEndpointAuthenticationSigningAlgorithm(MacAlgorithm.HS256).build()).build());
        clients.add(machine("cc-private-jwt", ClientAuthenticationMethod.PRIVATE_KEY_JWT)
                .clientSettings(signing(keys)).build());
        clients.add(machine("cc-mtls", ClientAuthenticationMethod.TLS_CLIENT_AUTH)
                .clientSettings(ClientSettings.builder().x509CertificateSubjectDN("CN=client").build())
                .tokenSettings(TokenSettings.builder().x509CertificateBoundAccessTokens(true).build()).build());
        clients.add(machine("registrar", ClientAuthenticationMethod.CLIENT_SECRET_BASIC)
                .scopes(scopes -> { scopes.clear(); scopes.add("client.create"); }).build());
        return new InMemoryRegisteredClientRepository(clients);
    }

    private static ClientSettings signing(String keys) {
        return ClientSettings.builder().jwkSetUrl(keys)
                .tokenEndpointAuthenticationSigningAlgorithm(SignatureAlgorithm.ES256).build();
    }

    private static RegisteredClient.Builder client(String id, ClientAuthenticationMethod method) {
        RegisteredClient.Builder builder = RegisteredClient.withId(id).clientId(id).clientAuthenticationMethod(method);
        return method.getValue().startsWith("client_secret") ? builder.clientSecret("{noop}" + id + SECRET) : builder;
    }

    private static RegisteredClient.Builder device(
            String id, ClientAuthenticationMethod method, UnaryOperator<TokenSettings.Builder> settings) {
        return client(id, method)
                .authorizationGrantType(AuthorizationGrantType.DEVICE_CODE)
                .authorizationGrantType(AuthorizationGrantType.REFRESH_TOKEN)
                .scope("profile")
                .tokenSettings(settings.apply(TokenSettings.builder()
                        .reuseRefreshTokens(false)
                        .deviceCodeTimeToLive(Duration.ofMinutes(10))
                        .accessTokenTimeToLive(Duration.ofHours(1))).build());
    }

    private static RegisteredClient.Builder machine(String id, ClientAuthenticationMethod method) {
        return client(id, method)
                .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
                .scope("api:read")
                .tokenSettings(TokenSettings.builder().accessTokenTimeToLive(Duration.ofHours(1)).build());
    }
}

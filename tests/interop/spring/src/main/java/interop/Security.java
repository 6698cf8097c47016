package interop;

import static org.springframework.security.config.Customizer.withDefaults;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.RSAKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.annotation.Order;
import org.springframework.http.MediaType;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.security.authentication.AuthenticationProvider;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.server.authorization.JdbcOAuth2AuthorizationService;
import org.springframework.security.oauth2.server.authorization.OAuth2AuthorizationConsent;
import org.springframework.security.oauth2.server.authorization.OAuth2AuthorizationConsentService;
import org.springframework.security.oauth2.server.authorization.OAuth2AuthorizationService;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.config.annotation.web.configuration.OAuth2AuthorizationServerConfiguration;
import org.springframework.security.oauth2.server.authorization.config.annotation.web.configurers.OAuth2AuthorizationServerConfigurer;
import org.springframework.security.oauth2.server.authorization.oidc.authentication.OidcClientRegistrationAuthenticationProvider;
import org.springframework.security.oauth2.server.authorization.oidc.authentication.OidcClientRegistrationAuthenticationValidator;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.LoginUrlAuthenticationEntryPoint;
import org.springframework.security.web.util.matcher.MediaTypeRequestMatcher;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.ResponseBody;
import org.springframework.stereotype.Controller;

/** What Spring's guides show for a server with the device grant, and no more of our own than that. */
@Configuration
class Security {

    @Bean
    @Order(1)
    SecurityFilterChain authorizationServer(HttpSecurity http, RegisteredClientRepository clients) throws Exception {
        OAuth2AuthorizationServerConfigurer server = OAuth2AuthorizationServerConfigurer.authorizationServer();
        return http.securityMatcher(server.getEndpointsMatcher())
                .with(server, all -> all
                        .deviceAuthorizationEndpoint(device -> device.verificationUri("/activate"))
                        .clientAuthentication(client -> client
                                .authenticationConverter(new PublicDevices.Converter())
                                .authenticationProvider(new PublicDevices.Provider(clients)))
                        .oidc(oidc -> oidc.clientRegistrationEndpoint(registration -> registration
                                .authenticationProviders(Security::withScopes))))
                .authorizeHttpRequests(all -> all.anyRequest().authenticated())
                .exceptionHandling(on -> on.defaultAuthenticationEntryPointFor(
                        new LoginUrlAuthenticationEntryPoint("/login"),
                        new MediaTypeRequestMatcher(MediaType.TEXT_HTML)))
                .oauth2ResourceServer(resource -> resource.jwt(withDefaults()))
                .build();
    }

    /** By default a client may register no scope, and no person can then approve it. */
    private static void withScopes(List<AuthenticationProvider> providers) {
        for (AuthenticationProvider each : providers) {
            if (each instanceof OidcClientRegistrationAuthenticationProvider registration) {
                registration.setAuthenticationValidator(
                        OidcClientRegistrationAuthenticationValidator.DEFAULT_REDIRECT_URI_VALIDATOR
                                .andThen(OidcClientRegistrationAuthenticationValidator.SIMPLE_SCOPE_VALIDATOR));
            }
        }
    }

    @Bean
    @Order(2)
    SecurityFilterChain resource(HttpSecurity http) throws Exception {
        return http.securityMatcher("/api/**")
                .authorizeHttpRequests(all -> all.anyRequest().authenticated())
                .oauth2ResourceServer(resource -> resource.jwt(withDefaults()))
                .build();
    }

    @Bean
    @Order(3)
    SecurityFilterChain pages(HttpSecurity http) throws Exception {
        return http.authorizeHttpRequests(all -> all
                        .requestMatchers("/", "/activate", "/client-keys", "/error").permitAll()
                        .anyRequest().authenticated())
                .formLogin(withDefaults())
                .build();
    }

    @Bean
    UserDetailsService users() {
        return new InMemoryUserDetailsManager(
                User.withUsername("alice").password("{noop}any will do").roles("USER").build());
    }

    @Bean
    OAuth2AuthorizationService authorizations(JdbcTemplate database, RegisteredClientRepository clients) {
        return new JdbcOAuth2AuthorizationService(database, clients);
    }

    /** Remembers nothing, so that each sign-in asks the person again. */
    @Bean
    OAuth2AuthorizationConsentService consents() {
        return new OAuth2AuthorizationConsentService() {
            @Override
            public void save(OAuth2AuthorizationConsent consent) { }

            @Override
            public void remove(OAuth2AuthorizationConsent consent) { }

            @Override
            public OAuth2AuthorizationConsent findById(String client, String principal) {
                return null;
            }
        };
    }

    /** The key that signs tokens, kept over a restart. */
    @Bean
    JWKSource<SecurityContext> keys(@Value("${state}") Path state) throws Exception {
        Path file = state.resolve("keys.json");
        if (!Files.exists(file)) {
            Files.writeString(file, new JWKSet(new RSAKeyGenerator(2048).keyID("server").generate()).toString(false));
        }
        return new ImmutableJWKSet<>(JWKSet.load(file.toFile()));
    }

    @Bean
    JwtDecoder decoder(JWKSource<SecurityContext> keys) {
        return OAuth2AuthorizationServerConfiguration.jwtDecoder(keys);
    }

    @Controller
    static class Pages {

        private final String keys;

        Pages(@Value("${jwk}") Path jwk) throws java.io.IOException {
            keys = "{\"keys\":[" + Files.readString(jwk) + "]}";
        }

        @GetMapping(path = "/client-keys", produces = "application/json")
        @ResponseBody
        String keys() {
            return keys;
        }

        @GetMapping("/activate")
        String activate(@RequestParam("user_code") String code) {
            return "redirect:/oauth2/device_verification?user_code=" + code;
        }

        @GetMapping(path = "/", produces = "text/html")
        @ResponseBody
        String done() {
            return "<!doctype html><title>Done</title><p>The device is connected.";
        }

        @GetMapping("/api/me")
        @ResponseBody
        Map<String, String> me(Authentication who) {
            return Map.of("sub", who.getName());
        }
    }
}

package interop;

import jakarta.servlet.http.HttpServletRequest;
import org.springframework.security.authentication.AuthenticationProvider;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.core.OAuth2ErrorCodes;
import org.springframework.security.oauth2.server.authorization.authentication.OAuth2ClientAuthenticationToken;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.web.authentication.AuthenticationConverter;

/**
 * Devices without a secret, as in the project's own device sample: the server itself takes a public
 * client only with PKCE, which the device grant does not have.
 */
class PublicDevices {

    static class Token extends OAuth2ClientAuthenticationToken {
        Token(String client) {
            super(client, ClientAuthenticationMethod.NONE, null, null);
        }

        Token(RegisteredClient client) {
            super(client, ClientAuthenticationMethod.NONE, null);
        }
    }

    static class Converter implements AuthenticationConverter {
        @Override
        public Authentication convert(HttpServletRequest request) {
            String grant = request.getParameter("grant_type");
            boolean device = request.getRequestURI().endsWith("/oauth2/device_authorization")
                    || AuthorizationGrantType.DEVICE_CODE.getValue().equals(grant);
            String client = request.getParameter("client_id");
            boolean bare = request.getHeader("Authorization") == null
                    && request.getParameter("client_secret") == null
                    && request.getParameter("client_assertion") == null;
            return device && bare && client != null && client.endsWith("-public") ? new Token(client) : null;
        }
    }

    record Provider(RegisteredClientRepository clients) implements AuthenticationProvider {
        @Override
        public Authentication authenticate(Authentication authentication) {
            RegisteredClient client = clients.findByClientId(authentication.getPrincipal().toString());
            if (client == null
                    || !client.getClientAuthenticationMethods().contains(ClientAuthenticationMethod.NONE)) {
                throw new OAuth2AuthenticationException(OAuth2ErrorCodes.INVALID_CLIENT);
            }
            return new Token(client);
        }

        @Override
        public boolean supports(Class<?> type) {
            return Token.class.isAssignableFrom(type);
        }
    }
}

package interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import org.apache.catalina.connector.Connector;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.event.ApplicationReadyEvent;
import org.springframework.boot.web.embedded.tomcat.TomcatServletWebServerFactory;
import org.springframework.boot.web.server.WebServerFactoryCustomizer;
import org.springframework.context.annotation.Bean;
import org.springframework.context.event.EventListener;
import org.springframework.security.oauth2.server.authorization.OAuth2AuthorizationService;

/**
 * Spring Authorization Server with the clients of the interop tests. For tests only.
 *
 * <pre>
 * java -jar server.jar --http.port=P --server.port=TLS --state=FOLDER --tls=FOLDER --jwk=FILE --endpoints=FILE
 * </pre>
 *
 * It listens on loopback, by HTTP and by HTTPS (which asks for a client certificate and demands
 * none). FOLDER of --tls has ca.pem, server.pem and server.key; --jwk is the public key of the
 * clients that sign; --state keeps what was issued, over a restart. It ends when its standard
 * input does.
 */
@SpringBootApplication
public class Server {

    @Value("${http.port}")
    private int port;

    @Value("${endpoints}")
    private Path endpoints;

    public static void main(String[] arguments) {
        Thread parent = new Thread(() -> {
            try {
                while (System.in.read() >= 0) { }
            } catch (java.io.IOException gone) {
                // As good as its end.
            }
            System.exit(0); // the database is closed on the way
        });
        parent.setDaemon(true);
        parent.start();
        SpringApplication.run(Server.class, arguments);
    }

    @Bean
    WebServerFactoryCustomizer<TomcatServletWebServerFactory> plainHttp() {
        return factory -> {
            Connector connector = new Connector();
            connector.setPort(port);
            connector.setProperty("address", "127.0.0.1");
            factory.addAdditionalTomcatConnectors(connector);
        };
    }

    @EventListener(ApplicationReadyEvent.class)
    void ready() throws java.io.IOException {
        String version = OAuth2AuthorizationService.class.getPackage().getImplementationVersion();
        Path partial = endpoints.resolveSibling("partial");
        new ObjectMapper().writeValue(partial.toFile(), Map.of("version", version));
        Files.move(partial, endpoints, StandardCopyOption.ATOMIC_MOVE);
    }
}

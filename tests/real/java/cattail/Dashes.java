package cattail;

import java.util.UUID;
import org.apache.catalina.util.SessionIdGeneratorBase;

/** Makes ids with dashes, as of UUIDs, in front of which Tomcat's own would make none. */
public final class Dashes extends SessionIdGeneratorBase {
    @Override
    public String generateSessionId(final String route) {
        final String base = UUID.randomUUID().toString();
        return route == null || route.isEmpty() ? base : base + '.' + route;
    }
}

package cattail;

import de.javakaffee.web.msm.MemcachedBackupSession;
import de.javakaffee.web.msm.MemcachedSessionService.SessionManager;
import de.javakaffee.web.msm.SessionAttributesTranscoder;
import de.javakaffee.web.msm.TranscoderFactory;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/** Lets the flexjson serializer of MSM 1.8.3, its last, work below MSM 2: other types of maps are asked for there. */
public final class FlexjsonBridge implements TranscoderFactory {
    @Override
    public SessionAttributesTranscoder createTranscoder(final SessionManager manager) {
        try {
            final Class<?> old = Class.forName("de.javakaffee.web.msm.serializer.json.JSONTranscoder");
            return new Bridge(old, old.getConstructor(org.apache.catalina.Manager.class).newInstance(manager));
        } catch (ReflectiveOperationException missing) {
            throw new IllegalStateException(missing);
        }
    }

    @Override
    public void setCopyCollectionsForSerialization(final boolean copied) {
        // It never copies them.
    }

    @Override
    public void setCustomConverterClassNames(final String[] names) {
        // It has none.
    }

    private record Bridge(Class<?> type, Object old) implements SessionAttributesTranscoder {
        @Override
        public byte[] serializeAttributes(
                final MemcachedBackupSession session, final ConcurrentMap<String, Object> attributes) {
            return (byte[]) call("serializeAttributes", new Class<?>[] {MemcachedBackupSession.class, Map.class},
                    session, attributes);
        }

        @Override
        @SuppressWarnings("unchecked")
        public ConcurrentMap<String, Object> deserializeAttributes(final byte[] data) {
            return new ConcurrentHashMap<>((Map<String, Object>) call(
                    "deserializeAttributes", new Class<?>[] {byte[].class}, (Object) data));
        }

        private Object call(final String name, final Class<?>[] types, final Object... values) {
            try {
                return type.getMethod(name, types).invoke(old, values);
            } catch (ReflectiveOperationException broken) {
                throw new IllegalStateException(broken);
            }
        }
    }
}

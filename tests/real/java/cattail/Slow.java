package cattail;

import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;

/** An attribute of a session that takes long to be written: what is written later than the answer becomes visible. */
public final class Slow implements Serializable {
    private static final long serialVersionUID = 1;

    private final long milliseconds;

    public Slow(final long milliseconds) {
        this.milliseconds = milliseconds;
    }

    private void writeObject(final ObjectOutputStream out) throws IOException {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
        out.defaultWriteObject();
    }
}

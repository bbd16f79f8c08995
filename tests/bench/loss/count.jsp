<%@ page contentType="application/json" trimDirectiveWhitespaces="true" import="java.time.Instant,java.time.temporal.ChronoUnit,java.util.concurrent.atomic.AtomicInteger" %><%
    // Parallel requests must not lose each other's counts here: what is missing in the end, the session's keeper lost.
    AtomicInteger counter;
    synchronized (application) {
        counter = (AtomicInteger) session.getAttribute("counter");
        if (counter == null) {
            counter = new AtomicInteger();
        }
        // Told each time: some managers look for changes only then.
        session.setAttribute("counter", counter);
    }
    int count = counter.incrementAndGet();
    long at = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    long life = ProcessHandle.current().pid();
%>{"port": <%= request.getLocalPort() %>, "life": <%= life %>, "id": "<%= session.getId() %>", "created": <%= session.getCreationTime() %>, "count": <%= count %>, "at": <%= at %>}

<%@ page contentType="application/json" trimDirectiveWhitespaces="true" import="java.time.Instant,java.time.temporal.ChronoUnit,java.util.concurrent.atomic.AtomicInteger" %>
<%-- A counter in the session, that parallel requests do not lose: what is missing in the end, the session's keeper lost. --%>
<%
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
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","life":<%= ProcessHandle.current().pid() %>,"id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"count":<%= count %>,"at":<%= at %>}

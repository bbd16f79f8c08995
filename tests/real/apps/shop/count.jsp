<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- A counter in the session; two requests at once in one Tomcat lose no count. --%>
<%
    int count;
    synchronized (session.getId().substring(0, 8).intern()) {
        Integer before = (Integer) session.getAttribute("count");
        count = before == null ? 1 : before + 1;
        session.setAttribute("count", count);
    }
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"count":<%= count %>,"is_new":<%= session.isNew() %>}

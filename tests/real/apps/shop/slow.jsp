<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- Takes ?ms=N after it has counted. --%>
<%
    Integer before = (Integer) session.getAttribute("count");
    session.setAttribute("count", before == null ? 1 : before + 1);
    Thread.sleep(Long.parseLong(request.getParameter("ms")));
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"count":<%= session.getAttribute("count") %>}

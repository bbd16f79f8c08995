<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- A login as applications make it: the same session under another id. --%>
<%
    String before = session.getId();
    String id = request.changeSessionId();
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","before":"<%= before %>","id":"<%= id %>","created":<%= session.getCreationTime() %>,"count":<%= session.getAttribute("count") %>}

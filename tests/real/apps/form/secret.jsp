<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<% session.setAttribute("seen", Boolean.TRUE); %>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","user":"<%= request.getRemoteUser() %>","id":"<%= session.getId() %>"}

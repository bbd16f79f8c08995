<%@ page contentType="application/json" session="false" trimDirectiveWhitespaces="true" %>
<%-- Touches no session. --%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","shown":"<%= request.getRequestedSessionId() %>"}

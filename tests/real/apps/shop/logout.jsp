<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- The session ends. --%>
<% session.invalidate(); %>
{"tomcat":"<%= System.getProperty("tomcat.name") %>"}

<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- Has a session, and looks at no attribute. --%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>}

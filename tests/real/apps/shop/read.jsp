<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- Reads the counter, changes nothing. --%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"count":<%= session.getAttribute("count") %>,"is_new":<%= session.isNew() %>}

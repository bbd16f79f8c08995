<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- How much ballast the session has; -1: none. --%>
<% byte[] ballast = (byte[]) session.getAttribute("ballast"); %>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"bytes":<%= ballast == null ? -1 : ballast.length %>}

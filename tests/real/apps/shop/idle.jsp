<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- ?seconds=N: how long the session may be idle. --%>
<% session.setMaxInactiveInterval(Integer.parseInt(request.getParameter("seconds"))); session.setAttribute("idle", request.getParameter("seconds")); %>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"idle":<%= session.getMaxInactiveInterval() %>}

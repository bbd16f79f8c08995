<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- A login of the container's. --%>
<%
    request.login(request.getParameter("user"), request.getParameter("password"));
    String id = request.changeSessionId();
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= id %>","created":<%= session.getCreationTime() %>,"user":"<%= request.getRemoteUser() %>"}

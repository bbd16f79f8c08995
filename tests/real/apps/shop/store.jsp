<%@ page contentType="application/json" session="true" trimDirectiveWhitespaces="true" %>
<%-- ?bytes=N of ballast in the session, other ones each time. --%>
<%
    byte[] ballast = new byte[Integer.parseInt(request.getParameter("bytes"))];
    new java.util.Random().nextBytes(ballast);
    session.setAttribute("ballast", ballast);
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","id":"<%= session.getId() %>","created":<%= session.getCreationTime() %>,"bytes":<%= ballast.length %>}

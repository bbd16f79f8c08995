<%@ page contentType="text/html; charset=utf-8" session="true" %>
<%-- The page of the published set-ups: which Tomcat answered, in its colour, and which session it knows. --%>
<%
    String name = System.getProperty("tomcat.name");
    boolean isFirst = name.endsWith("1");
    if (session.getAttribute("test") == null) {
        session.setAttribute("test", "test");
    }
%>
<html>
<head><title><%= isFirst ? "TomcatA" : "TomcatB" %></title><link rel="icon" href="data:,"></head>
<body>
<h1 style="color: <%= isFirst ? "red" : "blue" %>"><%= isFirst ? "TomcatA" : "TomcatB" %></h1>
<table>
<tr><td>Session ID</td><td><%= session.getId() %></td></tr>
<tr><td>Created on</td><td><%= session.getCreationTime() %></td></tr>
</table>
</body>
</html>

<%@ page contentType="text/html; charset=utf-8" session="true" %>
<%-- Which Tomcat answered, and which session it knows. --%>
<%
    String route = System.getProperty("jvmRoute");
    String color = "jvm1".equals(route) ? "red" : "blue";
    Integer visits = (Integer) session.getAttribute("visits");
    visits = visits == null ? 1 : visits + 1;
    session.setAttribute("visits", visits);
%>
<!DOCTYPE html>
<html lang="en">
<head>
    <title><%= route %></title>
    <link rel="icon" href="data:,">
</head>
<body>
    <h1 style="color: <%= color %>"><%= route %></h1>
    <table>
        <tr><td>Session id</td><td><%= session.getId() %></td></tr>
        <tr><td>Created on</td><td><%= new java.util.Date(session.getCreationTime()) %></td></tr>
        <tr><td>Visits</td><td><%= visits %></td></tr>
    </table>
</body>
</html>

<%@ page contentType="text/html" session="true" %>
<%-- As the published page: id of the session, address and name of the server. --%>
<%
    session.setAttribute("shown", Boolean.TRUE);
%>
<html><body>
Session ID: <%= session.getId() %><br>
Created on: <%= session.getCreationTime() %><br>
Server IP: <%= request.getLocalAddr() %><br>
Server Name: <%= request.getServerName() %><br>
</body></html>

<%@ page session="true" trimDirectiveWhitespaces="true" %>
<%-- To an absolute address, as Tomcat sees itself. --%>
<% response.setStatus(302); response.setHeader("Location", request.getScheme() + "://" + request.getServerName() + ":" + request.getServerPort() + request.getContextPath() + "/count.jsp"); %>

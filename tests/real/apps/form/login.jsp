<%@ page contentType="text/html" session="true" %>
<form method="post" action="j_security_check"><input name="j_username"><input name="j_password" type="password"><button>Log in</button></form>

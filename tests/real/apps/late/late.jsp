<%@ page session="false" trimDirectiveWhitespaces="true" %>
<%-- Takes two seconds to be made, as an application that reads much at its start: the port is open meanwhile. --%>
<%!
    public void jspInit() {
        try {
            Thread.sleep(2000);
        } catch (InterruptedException ended) {
            Thread.currentThread().interrupt();
        }
    }
%>
late

<%@ page contentType="application/json" session="false" trimDirectiveWhitespaces="true" import="java.util.*" %>
<%-- Does what the header field Steps says, in that order, and shows the session at the end. Without a step it touches no session. --%>
<%
    HttpSession session = null;
    String user = null;
    String steps = request.getHeader("Steps");
    // MSM does not store what a request changes that begins in the millisecond of the one before; tests of that are in a hurry.
    if (steps == null || !steps.startsWith("hurry")) {
        Thread.sleep(2);
    }
    for (String step : steps == null ? new String[0] : steps.split(",")) {
        String[] word = step.split(":", 2);
        switch (word[0]) {
            case "hurry": break;
            // A session, old or new; no attribute of it is looked at.
            case "session": session = request.getSession(); break;
            // An old session; none is made.
            case "old": session = request.getSession(false); break;
            case "read": session = request.getSession(); session.getAttribute("count"); break;
            case "count":
                session = request.getSession();
                // Two requests at once in one Tomcat lose no count.
                synchronized (session.getId().substring(0, 8).intern()) {
                    Integer before = (Integer) session.getAttribute("count");
                    session.setAttribute("count", before == null ? 1 : before + 1);
                }
                break;
            case "text": session.setAttribute("text", word[1]); break;
            case "cart":
                session.setAttribute("cart", new ArrayList<>(List.of("tea", "cup")));
                session.setAttribute("since", new Date(0));
                session.setAttribute("prices", new HashMap<>(Map.of("tea", 3.5, "cup", 7.0)));
                break;
            case "ballast": session.setAttribute("ballast", new byte[Integer.parseInt(word[1])]); break;
            // What takes this many milliseconds to be written.
            case "slow": session.setAttribute("slow", new cattail.Slow(Long.parseLong(word[1]))); break;
            case "idle": session.setMaxInactiveInterval(Integer.parseInt(word[1])); break;
            case "rotate": request.changeSessionId(); break;
            case "end": session.invalidate(); session = null; break;
            case "login": request.login("ada", "secret"); user = request.getRemoteUser(); break;
            case "user": user = request.getRemoteUser(); break;
            case "sleep": Thread.sleep(Long.parseLong(word[1])); break;
            // As applications take a cookie away.
            case "forget":
                Cookie gone = new Cookie("JSESSIONID", "");
                gone.setPath(request.getContextPath());
                gone.setMaxAge(0);
                response.addCookie(gone);
                break;
            default: throw new IllegalArgumentException(step);
        }
    }
    String shown = "null";
    if (session != null) {
        boolean looks = steps.contains("count") || steps.contains("read");
        shown = "{\"id\":\"" + session.getId() + "\",\"created\":" + session.getCreationTime() + ",\"is_new\":" + session.isNew()
            + ",\"accessed\":" + session.getLastAccessedTime() + ",\"idle\":" + session.getMaxInactiveInterval()
            + ",\"count\":" + (looks ? session.getAttribute("count") : "null") + "}";
    }
%>
{"tomcat":"<%= System.getProperty("tomcat.name") %>","user":"<%= user %>","asked":"<%= request.getRequestedSessionId() %>","session":<%= shown %>}

package cattail;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.servlet.ServletException;
import javax.servlet.http.Cookie;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.HttpSession;

/** Does what the header field Steps says, in that order, and shows the session. Without a step it touches no session. */
public final class Steps extends HttpServlet {
    private static final long serialVersionUID = 1;

    @Override
    protected void service(final HttpServletRequest request, final HttpServletResponse response)
            throws ServletException, IOException {
        final String header = request.getHeader("Steps");
        final List<String> steps = header == null ? List.of() : List.of(header.split(","));
        HttpSession session = null;
        String user = null;
        try {
            for (final String step : steps) {
                final String[] word = step.split(":", 2);
                switch (word[0]) {
                    case "hurry": break;
                    // A session, old or new; no attribute of it is looked at.
                    case "session": session = request.getSession(); break;
                    // An old session; none is made.
                    case "old": session = request.getSession(false); break;
                    case "read": session = request.getSession(); session.getAttribute("count"); break;
                    case "count": session = request.getSession(); count(session); break;
                    case "text": session.setAttribute("text", word[1]); break;
                    case "cart": cart(session); break;
                    case "ballast": session.setAttribute("ballast", new byte[Integer.parseInt(word[1])]); break;
                    case "slow": session.setAttribute("slow", new Slow(Long.parseLong(word[1]))); break;
                    case "idle": session.setMaxInactiveInterval(Integer.parseInt(word[1])); break;
                    case "rotate": request.changeSessionId(); break;
                    case "end": session.invalidate(); session = null; break;
                    case "login": request.login("ada", "secret"); user = request.getRemoteUser(); break;
                    case "user": user = request.getRemoteUser(); break;
                    case "sleep": Thread.sleep(Long.parseLong(word[1])); break;
                    // For those who wait until it is here.
                    case "say": System.out.println(word[1]); break;
                    case "forget": response.addCookie(gone(request)); break;
                    default: throw new ServletException(step);
                }
            }
            // Of two requests within a millisecond MSM may forget the second one; tests of that are in a hurry.
            if (!steps.contains("hurry")) {
                Thread.sleep(2);
            }
        } catch (InterruptedException ended) {
            throw new ServletException(ended);
        }
        response.setContentType("application/json");
        response.getWriter().printf("{\"tomcat\":\"%s\",\"user\":\"%s\",\"asked\":\"%s\",\"session\":%s}%n",
                System.getProperty("tomcat.name"), user, request.getRequestedSessionId(), shown(session, steps));
    }

    /** Two requests at once in one Tomcat lose no count. */
    private static void count(final HttpSession session) {
        synchronized (session.getId().substring(0, 8).intern()) {
            final Integer before = (Integer) session.getAttribute("count");
            session.setAttribute("count", before == null ? 1 : before + 1);
        }
    }

    private static void cart(final HttpSession session) {
        session.setAttribute("cart", new ArrayList<>(List.of("tea", "cup")));
        session.setAttribute("since", new Date(0));
        final Map<String, Double> prices = new HashMap<>();
        prices.put("tea", 3.5);
        prices.put("cup", 7.0);
        session.setAttribute("prices", prices);
    }

    /** As applications take a cookie away. */
    private static Cookie gone(final HttpServletRequest request) {
        final Cookie cookie = new Cookie("JSESSIONID", "");
        cookie.setPath(request.getContextPath());
        cookie.setMaxAge(0);
        return cookie;
    }

    private static String shown(final HttpSession session, final List<String> steps) {
        if (session == null) {
            return "null";
        }
        final boolean looks = steps.contains("count") || steps.contains("read");
        return String.format("{\"id\":\"%s\",\"created\":%d,\"is_new\":%b,\"accessed\":%d,\"idle\":%d,\"count\":%s}",
                session.getId(), session.getCreationTime(), session.isNew(), session.getLastAccessedTime(),
                session.getMaxInactiveInterval(), looks ? session.getAttribute("count") : "null");
    }
}

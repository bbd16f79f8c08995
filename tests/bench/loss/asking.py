"""The one page that all browsers ask for."""

PAGE = "/test/count.jsp"
# What checks ask for: a file of the application, so that it is served only once the application is.
ALIVE = "/test/alive.css"


def request(cookie):
    """A request that shows a session id; empty: none."""
    shown = f"Cookie: JSESSIONID={cookie}\r\n" if cookie else ""
    return f"GET {PAGE} HTTP/1.1\r\nHost: shop.example.com\r\n{shown}\r\n".encode()

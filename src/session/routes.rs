//! Which backend uses which jvm route.
//!
//! A backend has the route that the file gives it, and the one that its Tomcat was seen to use.
//! Routes are compared exactly: `jvm1` is neither `jvm11` nor `JVM1`.

/// Routes longer than this are not learned.
pub const LONGEST_ROUTE: usize = 64;

/// Up to here routes are compared one after the other.
const FEW: usize = 8;

/// The jvm routes of a cluster, by the place of their backend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteTable {
    /// Sorted by route.
    routes: Box<[(Box<[u8]>, Named)]>,
}

/// Whom a jvm route names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The backend in this place, alone.
    Backend(u16),
    /// More than one backend: it says nothing about the owner.
    Several,
    /// No backend that is known.
    Nobody,
}

impl RouteTable {
    /// A table of (place, route) pairs; a backend may stand in several.
    pub fn new<'r>(claims: impl IntoIterator<Item = (u16, &'r [u8])>) -> Self {
        let mut routes: Vec<(Box<[u8]>, Named)> = Vec::new();
        for (place, route) in claims {
            match routes.iter_mut().find(|(known, _)| **known == *route) {
                Some((_, named)) if *named != Named::Backend(place) => *named = Named::Several,
                Some(_) => {}
                None => routes.push((route.into(), Named::Backend(place))),
            }
        }
        routes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self {
            routes: routes.into(),
        }
    }

    /// Whom `route` names. Allocates nothing.
    #[inline]
    pub fn named(&self, route: &[u8]) -> Named {
        // In a small cluster lengths and a few bytes decide sooner than a search.
        if self.routes.len() <= FEW {
            let mut routes = self.routes.iter();
            return routes
                .find(|(known, _)| **known == *route)
                .map_or(Named::Nobody, |(_, named)| *named);
        }
        self.search(route)
    }

    fn search(&self, route: &[u8]) -> Named {
        self.routes
            .binary_search_by(|(known, _)| (**known).cmp(route))
            .ok()
            .and_then(|at| self.routes.get(at))
            .map_or(Named::Nobody, |(_, named)| *named)
    }
}

/// Whether a route that a backend's cookie shows may be learned: what no Tomcat would use names
/// nobody.
pub fn is_learnable(route: &[u8]) -> bool {
    (1..=LONGEST_ROUTE).contains(&route.len()) && route.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(claims: &[(u16, &str)]) -> RouteTable {
        RouteTable::new(
            claims
                .iter()
                .map(|(place, route)| (*place, route.as_bytes())),
        )
    }

    #[test]
    fn routes_are_compared_exactly() {
        let table = table(&[(0, "jvm1"), (1, "jvm2"), (1, "tomcat-b"), (2, "jvm11")]);
        for (route, named) in [
            ("jvm1", Named::Backend(0)),
            ("jvm2", Named::Backend(1)),
            ("tomcat-b", Named::Backend(1)),
            ("jvm11", Named::Backend(2)),
            ("JVM1", Named::Nobody),
            ("jvm", Named::Nobody),
            ("jvm1 ", Named::Nobody),
            ("", Named::Nobody),
        ] {
            assert_eq!(table.named(route.as_bytes()), named, "{route:?}");
        }
    }

    #[test]
    fn a_route_of_two_backends_names_neither() {
        let table = table(&[(0, "jvm1"), (1, "jvm1"), (2, "jvm2"), (2, "jvm2")]);
        assert_eq!(table.named(b"jvm1"), Named::Several);
        assert_eq!(table.named(b"jvm2"), Named::Backend(2));
    }

    proptest! {
        #[test]
        fn the_table_agrees_with_a_look_at_all_claims(
            claims in prop::collection::vec((0_u16..4, "[ab]{0,3}"), 0..24),
            route in "[ab]{0,3}",
        ) {
            let table = RouteTable::new(claims.iter().map(|(at, it)| (*at, it.as_bytes())));
            let mut owners: Vec<u16> =
                claims.iter().filter(|(_, it)| *it == route).map(|(at, _)| *at).collect();
            owners.sort_unstable();
            owners.dedup();
            let expected = match owners.as_slice() {
                [] => Named::Nobody,
                [one] => Named::Backend(*one),
                _ => Named::Several,
            };
            prop_assert_eq!(table.named(route.as_bytes()), expected);
        }
    }
}

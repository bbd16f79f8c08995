//! Which backend uses which jvm route.

//! Where session ids stand in a request.

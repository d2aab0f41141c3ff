//! Google's ID tokens: who calls a route of the deployment.

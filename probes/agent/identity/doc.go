// Package identity is who an agent is to its server: made once with a join token, kept in one file that nobody else may
// read, shown on every connection, renewed by itself.
//
// The key is made here and never leaves the machine; the server signs it. Behind a proxy that ends TLS the agent
// shows a bearer token instead. Which of them it is, the server decides at enrolment.
package identity

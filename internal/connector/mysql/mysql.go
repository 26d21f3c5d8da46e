// Package mysql is the connector for MySQL (8.0 and later) and MariaDB (10.5 and later) as sources.
//
// Rows are read over the binary protocol and appended to canonical rows in one pass, straight from the packets; the library
// go-mysql does handshake, authentication and TLS only. Text is never converted by the server: every column arrives in its own
// charset, as it does in the log, and both readers decode it by the same tables (charset.go) under the same policy (column.go,
// policy*.go). That is why a row read by SELECT and the same row read from the log are the same bytes.
package mysql

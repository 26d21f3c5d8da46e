package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// config is what a URL says about a server. The log reader uses it too.
type config struct {
	user, password string
	host           string
	port           uint16
	socket         string // overrules host and port
	database       string
	tls            string // "disable", "prefer", "require", "verify-ca", "verify-full"
	ca             string // file; empty = the system's
}

// parseURL reads mysql://user:password@host:port/database?socket=PATH&tls=MODE&ca=FILE; mariadb:// means the same, the server says
// itself what it is. TLS is preferred, but not asked for over a socket or to the loopback address, unless the URL says otherwise.
func parseURL(raw string) (*config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, godwit.Errorf(godwit.Invalid, "source URL cannot be read").WithHint("mysql://user:password@host:3306/database (special characters as %%40)")
	}
	if u.Scheme != "mysql" && u.Scheme != "mariadb" {
		return nil, godwit.Errorf(godwit.Invalid, "source URL: scheme %q is neither mysql nor mariadb", u.Scheme)
	}
	c := &config{user: u.User.Username(), host: u.Hostname(), port: 3306, database: strings.TrimPrefix(u.Path, "/")}
	c.password, _ = u.User.Password()
	if p := u.Port(); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return nil, godwit.Errorf(godwit.Invalid, "source URL: port %q", p)
		}
		c.port = uint16(n)
	}
	if c.database == "" || strings.Contains(c.database, "/") {
		return nil, godwit.Errorf(godwit.Invalid, "source URL names no database").WithHint("end it with /DATABASE")
	}
	if err := c.readQuery(u.Query()); err != nil {
		return nil, err
	}
	if c.host == "" {
		c.host = "127.0.0.1"
	}
	if c.tls == "" {
		c.tls = "prefer"
		if c.socket != "" || c.host == "localhost" || net.ParseIP(c.host).IsLoopback() {
			c.tls = "disable"
		}
	}
	return c, nil
}

func (c *config) readQuery(q url.Values) error {
	for key, values := range q {
		v := values[len(values)-1]
		switch key {
		case "socket":
			c.socket = v
		case "ca":
			c.ca = v
		case "tls":
			switch v {
			case "disable", "prefer", "require", "verify-ca", "verify-full":
				c.tls = v
			default:
				return godwit.Errorf(godwit.Invalid, "source URL: tls=%s", v).WithHint("tls is one of disable, prefer, require, verify-ca, verify-full")
			}
		default:
			return godwit.Errorf(godwit.Invalid, "source URL: unknown parameter %q", key).WithHint("known are socket, tls, ca")
		}
	}
	return nil
}

// tlsConfig is nil where no TLS is wanted. "prefer" and "require" do not look at the certificate; "verify-ca" checks who signed it,
// "verify-full" the host's name too.
func (c *config) tlsConfig() (*tls.Config, error) {
	if c.tls == "disable" {
		return nil, nil
	}
	t := &tls.Config{ServerName: c.host, MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, godwit.Errorf(godwit.Invalid, "read the CA file: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, godwit.Errorf(godwit.Invalid, "CA file %s holds no certificate", c.ca)
		}
	}
	switch c.tls {
	case "prefer", "require":
		t.InsecureSkipVerify = true
	case "verify-ca":
		t.InsecureSkipVerify = true // the name is not checked, the chain is
		t.VerifyConnection = func(s tls.ConnectionState) error {
			o := x509.VerifyOptions{Roots: t.RootCAs, Intermediates: x509.NewCertPool()}
			for _, cert := range s.PeerCertificates[1:] {
				o.Intermediates.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(o)
			return err
		}
	}
	return t, nil
}

// address is what to dial.
func (c *config) address() (network, addr string) {
	if c.socket != "" {
		return "unix", c.socket
	}
	return "tcp", net.JoinHostPort(c.host, strconv.Itoa(int(c.port)))
}

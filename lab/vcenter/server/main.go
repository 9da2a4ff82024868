// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Command ferry-vcenter is the lab's vCenter: the packaged simulator of govmomi for the SOAP wire, sessions,
// property collector, inventory and power, and on top of it what the simulator lacks and a migration needs:
// disks in real chains of files, snapshots that freeze them, change tracking, and export leases. The rules of
// that part are ours alone; CONTRACT.md beside this directory names each with its source.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// options are the command line.
type options struct {
	directory   string
	inventory   string
	listen      string
	certificate string
	key         string
	username    string
	password    string
	idle        time.Duration
	pidFile     string
	plain       bool
}

func main() {
	log.SetFlags(log.LstdFlags | log.Lmicroseconds)
	given := parseOptions()
	listener, err := net.Listen("tcp", given.listen)
	if err != nil {
		log.Fatal(err)
	}
	server, err := newServer(given, "https://"+listener.Addr().String())
	if err != nil {
		log.Fatal(err)
	}
	if err := announce(given, listener.Addr().String()); err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.ServeTLS(listener, "", ""))
}

func parseOptions() options {
	var given options
	flag.StringVar(&given.directory, "directory", "", "where machines, disks and the endpoint are kept")
	flag.StringVar(&given.inventory, "inventory", "", "JSON file with machines to add, if their names are new")
	flag.StringVar(&given.listen, "listen", "127.0.0.1:0", "address and port; port 0 is any that is free")
	flag.StringVar(&given.certificate, "certificate", "", "PEM file")
	flag.StringVar(&given.key, "key", "", "PEM file")
	flag.StringVar(&given.username, "username", "operator", "the only user")
	passwordFile := flag.String("password-file", "", "file with the password, which the process list must not show")
	flag.DurationVar(&given.idle, "session-timeout", 30*time.Minute, "idle time after which a session ends")
	flag.StringVar(&given.pidFile, "pid-file", "", "where to write the process id")
	flag.BoolVar(&given.plain, "plain", false, "the packaged simulator alone, with two machines of its own")
	flag.Parse()
	password, err := os.ReadFile(*passwordFile)
	if err != nil {
		log.Fatal(err)
	}
	given.password = strings.TrimSpace(string(password))
	return given
}

// newServer returns a server with all its machines, to be found at the URL.
func newServer(given options, address string) (*http.Server, error) {
	certificate, err := tls.LoadX509KeyPair(given.certificate, given.key)
	if err != nil {
		return nil, err
	}
	handler, err := newHandler(given, address, certificate)
	if err != nil {
		return nil, err
	}
	return &http.Server{
		Handler: handler,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate},
			NextProtos:   []string{"http/1.1"}, // As the simulator's own server.
		},
	}, nil
}

// newHandler returns the simulator's handlers, with ours around them unless it is to be plain.
func newHandler(given options, address string, certificate tls.Certificate) (http.Handler, error) {
	simulator.SessionIdleTimeout = given.idle
	// The plain simulator keeps its datastores in temporary directories, which it leaves behind.
	if err := os.Setenv("TMPDIR", given.directory); err != nil {
		return nil, err
	}
	model := newModel(given.plain)
	if err := model.Create(); err != nil {
		return nil, err
	}
	if given.plain {
		return wire(model.Service, given), nil
	}
	lab, err := newSite(given.directory, address, certificate)
	if err != nil {
		return nil, err
	}
	if err := lab.addInventory(model.Service, given.inventory); err != nil {
		return nil, err
	}
	return lab.gate(wire(model.Service, given)), nil
}

// wire returns the simulator's handlers. It makes them only together with a server of its own, which is
// closed before anybody can know it: that one would let clients past the checks that we put in front.
func wire(service *simulator.Service, given options) http.Handler {
	service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(given.username, given.password)}
	service.NewServer().Close()
	return service.ServeMux
}

// announce writes the endpoint, and the process id if wanted, and says both on standard output.
func announce(given options, address string) error {
	if given.pidFile != "" {
		if err := replaceFile(given.pidFile, []byte(fmt.Sprint(os.Getpid()))); err != nil {
			return err
		}
	}
	fmt.Printf("URL=https://%s PID=%d\n", address, os.Getpid())
	return replaceFile(filepath.Join(given.directory, "endpoint"), []byte("https://"+address+"\n"))
}

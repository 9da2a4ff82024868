// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"net/http"
	"path"
	"strings"
)

// The paths that are ours, beside the simulator's own.
const (
	folderPrefix = "/folder/"
	leasePrefix  = "/nfc/"
	labPrefix    = "/ferry-lab/"
	soapPath     = "/sdk"
)

// gate stands before the simulator's handlers. Files are read only by those who have a session, and each
// byte of a disk is counted.
func (s *site) gate(inner http.Handler) http.Handler {
	lab := s.control()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, labPrefix):
			lab.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, leasePrefix):
			s.withSession(w, r, s.serveLease)
		case strings.HasPrefix(r.URL.Path, folderPrefix):
			s.withSession(w, r, func(w http.ResponseWriter, r *http.Request) { s.serveFolder(w, r, inner) })
		case r.URL.Path == soapPath && r.Method == http.MethodPost:
			s.serveCall(w, r, inner)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}

func (s *site) withSession(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if s.switches.take(faultFileUnavailable, "") != nil {
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	if !isAuthenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "no session", http.StatusUnauthorized)
		return
	}
	serve(w, r)
}

// serveFolder lets the simulator answer with the file, ranges and all. Nobody may write: the disks are ours.
func (s *site) serveFolder(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "the lab's datastore is read-only", http.StatusForbidden)
		return
	}
	machine, disk := s.diskOf(strings.TrimPrefix(r.URL.Path, folderPrefix))
	if machine == "" {
		inner.ServeHTTP(w, r)
		return
	}
	if s.switches.get().ObjectStore {
		http.NotFound(w, r)
		return
	}
	if s.isLocked(machine, path.Base(r.URL.Path)) {
		http.Error(w, "the file is locked by the machine that writes to it", http.StatusForbidden)
		return
	}
	metered := &meter{ResponseWriter: w, site: s, machine: machine, disk: disk, way: wayFolder}
	inner.ServeHTTP(metered, r)
}

// diskOf tells which disk of which machine the file holds data of.
func (s *site) diskOf(file string) (string, int32) {
	vm := s.machine(path.Dir(file))
	if vm == nil {
		return "", 0
	}
	vm.Lock()
	defer vm.Unlock()
	for _, chain := range vm.record.Chains {
		for _, link := range chain.links() {
			if path.Base(vm.files.extent(chain, link)) == path.Base(file) {
				return vm.record.Name, chain.Key
			}
		}
	}
	return "", 0
}

// isLocked tells whether a running machine writes to the file.
func (s *site) isLocked(machine, file string) bool {
	vm := s.machine(machine)
	vm.Lock()
	defer vm.Unlock()
	for i := range vm.record.Disks {
		disk := &vm.record.Disks[i]
		extent := vm.files.extent(vm.record.chain(disk.Key), disk.Link)
		if vm.isRunning() && path.Base(extent) == file {
			return true
		}
	}
	return false
}

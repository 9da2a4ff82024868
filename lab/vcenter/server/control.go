// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// tokenHeader carries the secret from the file `token` of the site's directory.
const tokenHeader = "X-Ferry-Lab-Token"

// answer is what a switch returns: a value for JSON, or an error for its user.
type answer func(r *http.Request) (interface{}, error)

// control is the lab's own interface, which no vCenter has; CONTROL.md describes it.
func (s *site) control() http.Handler {
	routes := map[string]methodTable{
		"state":    {http.MethodGet: s.describe},
		"settings": {http.MethodPut: s.changeSettings},
		"faults":   {http.MethodPost: s.addFault, http.MethodDelete: quietly(s.switches.clear)},
		"counters": {http.MethodGet: s.tellCounters, http.MethodDelete: quietly(s.counters.clear)},
		"sessions": {http.MethodDelete: quietly(s.expireSessions)},
		"leases":   {http.MethodDelete: quietly(s.expireLeases)},
		"disks/":   {http.MethodPost: s.changeDisk, http.MethodDelete: s.removeDisk},
	}
	mux := http.NewServeMux()
	for path, table := range routes {
		mux.HandleFunc(labPrefix+path, s.switchFor(table))
	}
	return mux
}

// quietly is for what needs no words and cannot fail.
func quietly(act func()) answer {
	return func(*http.Request) (interface{}, error) {
		act()
		return nil, nil
	}
}

func (s *site) tellCounters(*http.Request) (interface{}, error) { return s.counters.snapshot(), nil }

type methodTable map[string]answer

func (s *site) switchFor(table methodTable) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := []byte(r.Header.Get(tokenHeader))
		if subtle.ConstantTimeCompare(given, []byte(s.token)) != 1 {
			tell(w, http.StatusForbidden, map[string]string{"error": "not the lab's token"})
			return
		}
		act, ok := table[r.Method]
		if !ok {
			tell(w, http.StatusMethodNotAllowed, map[string]string{"error": "not with this method"})
			return
		}
		value, err := act(r)
		if err != nil {
			tell(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		tell(w, http.StatusOK, value)
	}
}

func tell(w http.ResponseWriter, status int, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if value == nil {
		value = map[string]string{}
	}
	_ = json.NewEncoder(w).Encode(value) // Fails only for a client that has gone.
}

func (s *site) describe(*http.Request) (interface{}, error) {
	machines := map[string]json.RawMessage{}
	for _, vm := range s.allMachines() {
		vm.Lock()
		content, err := json.Marshal(vm.record)
		vm.Unlock()
		if err != nil {
			return nil, err
		}
		machines[vm.record.Name] = content
	}
	return map[string]interface{}{
		"vms": machines, "settings": s.switches.get(), "faults": s.switches.pending(), "leases": len(s.allLeases()),
	}, nil
}

// changeSettings changes those that are named.
func (s *site) changeSettings(r *http.Request) (interface{}, error) {
	wanted := s.switches.get()
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	s.switches.set(wanted)
	return wanted, nil
}

func (s *site) addFault(r *http.Request) (interface{}, error) {
	var wanted fault
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	return nil, s.switches.add(wanted)
}

// diskRequest is what the calls for a disk may hold, each what it needs.
type diskRequest struct {
	diskSpec
	Path     string `json:"path"`
	Snapshot string `json:"snapshot"`
	Capacity int64  `json:"capacity"`
}

// changeDisk carries out disks/<machine> (adds one) and disks/<machine>/<key>/<verb>.
func (s *site) changeDisk(r *http.Request) (interface{}, error) {
	vm, words, err := s.addressed(r)
	if err != nil {
		return nil, err
	}
	if len(words) == 2 && words[1] == "write" {
		return vm.writeTo(r, words[0])
	}
	var wanted diskRequest
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	vm.Lock()
	defer vm.Unlock()
	if len(words) == 0 {
		return vm.addDisk(wanted.diskSpec)
	}
	disk, err := vm.namedDisk(words[0])
	if err != nil {
		return nil, err
	}
	if len(words) != 2 {
		return nil, errors.New("disks/<machine>/<key>/<verb>")
	}
	return vm.alter(words[1], disk, wanted)
}

func (vm *virtualMachine) alter(verb string, disk *diskRecord, wanted diskRequest) (interface{}, error) {
	switch verb {
	case "import":
		return vm.importFrom(disk, wanted.Path)
	case "export":
		return nil, vm.exportTo(disk.Key, wanted)
	case "grow":
		return nil, vm.grow(disk, wanted.Capacity)
	case "reset":
		return nil, vm.startTracking(disk)
	case "rewind":
		return nil, vm.rewind(disk)
	}
	return nil, fmt.Errorf("%q can be done with no disk", verb)
}

func (s *site) removeDisk(r *http.Request) (interface{}, error) {
	vm, words, err := s.addressed(r)
	if err != nil {
		return nil, err
	}
	if len(words) != 1 {
		return nil, errors.New("disks/<machine>/<key>")
	}
	vm.Lock()
	defer vm.Unlock()
	disk, err := vm.namedDisk(words[0])
	if err != nil {
		return nil, err
	}
	return nil, vm.dropDisk(disk.Key)
}

// addressed returns the machine that the path names, and the words that follow.
func (s *site) addressed(r *http.Request) (*virtualMachine, []string, error) {
	words := strings.Split(strings.TrimPrefix(r.URL.Path, labPrefix+"disks/"), "/")
	vm := s.machine(words[0])
	if vm == nil {
		return nil, nil, fmt.Errorf("no machine is called %q", words[0])
	}
	return vm, words[1:], nil
}

func (vm *virtualMachine) namedDisk(word string) (*diskRecord, error) {
	key, err := strconv.ParseInt(word, 10, 32)
	if err != nil {
		return nil, err
	}
	disk := findDisk(vm.record.Disks, int32(key))
	if disk == nil {
		return nil, fmt.Errorf("%s has no disk %d", vm.Name, key)
	}
	return disk, nil
}

// writeTo puts the body of the request at `?offset=` of the disk.
func (vm *virtualMachine) writeTo(r *http.Request, key string) (interface{}, error) {
	offset, err := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	vm.Lock()
	defer vm.Unlock()
	disk, err := vm.namedDisk(key)
	if err != nil {
		return nil, err
	}
	return nil, vm.write(disk, data, offset)
}

func decode(r *http.Request, value interface{}) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil && err != io.EOF {
		return err
	}
	return nil
}

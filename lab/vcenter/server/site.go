// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/sha1" // The API's thumbprints are SHA-1; nothing is protected by it here.
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// datastoreName is the one datastore, which all hosts share.
const datastoreName = "datastore1"

// site is one vCenter: its directory, its machines and the lab's switches.
//
//	datastore1/<machine>/   the files of the machines' disks
//	machines/<machine>.json what a restart must not lose
//	leases/                 the bodies of running exports
//	token                   who may use the switches
type site struct {
	directory  string
	url        string
	thumbprint string
	token      string
	switches   switches
	counters   counters

	mutex    sync.Mutex
	machines map[string]*virtualMachine
	leases   map[string]*lease
}

func newSite(directory, url string, certificate tls.Certificate) (*site, error) {
	s := &site{
		directory:  directory,
		url:        url,
		thumbprint: thumbprint(certificate),
		switches:   newSwitches(),
		counters:   newCounters(),
		machines:   map[string]*virtualMachine{},
		leases:     map[string]*lease{},
	}
	// Leases belong to sessions, and those do not survive.
	if err := os.RemoveAll(s.leaseDirectory()); err != nil {
		return nil, err
	}
	for _, each := range []string{s.datastoreDirectory(), s.recordDirectory(), s.leaseDirectory()} {
		if err := os.MkdirAll(each, 0o700); err != nil {
			return nil, err
		}
	}
	var err error
	s.token, err = keepToken(filepath.Join(directory, "token"))
	return s, err
}

func (s *site) datastoreDirectory() string { return filepath.Join(s.directory, datastoreName) }
func (s *site) recordDirectory() string    { return filepath.Join(s.directory, "machines") }
func (s *site) leaseDirectory() string     { return filepath.Join(s.directory, "leases") }

func (s *site) recordPath(name string) string {
	return filepath.Join(s.recordDirectory(), name+".json")
}

func (s *site) files(machine string) chainFiles {
	return chainFiles{filepath.Join(s.datastoreDirectory(), machine)}
}

func (s *site) machine(name string) *virtualMachine {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.machines[name]
}

func (s *site) allMachines() []*virtualMachine {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := make([]*virtualMachine, 0, len(s.machines))
	for _, each := range s.machines {
		all = append(all, each)
	}
	return all
}

// work is what a task does: its result, or the fault by which it fails.
type work func() (types.AnyType, types.BaseMethodFault)

// startTask returns a task of the machine that runs from now on. The work is done under the machine's lock
// when the time has passed that tasks take; until then the machine answers. Called under the machine's lock.
func (s *site) startTask(vm *virtualMachine, name string, do work) types.ManagedObjectReference {
	task := simulator.CreateTask(vm, name, nil)
	vm.noteTask(task.Self)
	updateObject(task, []types.PropertyChange{
		{Name: "info.startTime", Val: time.Now()},
		{Name: "info.state", Val: types.TaskInfoStateRunning},
	})
	go func() {
		time.Sleep(s.switches.taskTime(vm.Name))
		var result types.AnyType
		var fault types.BaseMethodFault
		simulator.Map.WithLock(vm, func() { result, fault = do() })
		updateObject(task, outcome(result, fault))
	}()
	return task.Self
}

// tasksNoted is how many tasks a machine names. A vCenter forgets them by time, some minutes after they ended.
const tasksNoted = 20

// noteTask lets the machine name the task among its recent ones, where another client finds it.
func (vm *virtualMachine) noteTask(task types.ManagedObjectReference) {
	noted := append([]types.ManagedObjectReference{}, vm.RecentTask...)
	if len(noted) >= tasksNoted {
		noted = noted[1:]
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "recentTask", Val: append(noted, task)}})
}

func outcome(result types.AnyType, fault types.BaseMethodFault) []types.PropertyChange {
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
	if fault != nil {
		told := types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)}
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: told})
		return append(changes, types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	}
	if result != nil {
		changes = append(changes, types.PropertyChange{Name: "info.result", Val: result})
	}
	return append(changes, types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
}

// updateObject changes properties where clients may be reading them, and wakes those that wait.
func updateObject(object mo.Reference, changes []types.PropertyChange) {
	simulator.Map.WithLock(object, func() { simulator.Map.Update(object, changes) })
}

func thumbprint(certificate tls.Certificate) string {
	digest := sha1.Sum(certificate.Certificate[0])
	return strings.ToUpper(strings.ReplaceAll(fmt.Sprintf("% x", digest), " ", ":"))
}

// keepToken returns the secret that opens the lab's switches; it is made once for a directory.
func keepToken(path string) (string, error) {
	known, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(known)), nil
	}
	token := fmt.Sprintf("%x", randomBytes(16))
	return token, replaceFile(path, []byte(token+"\n"))
}

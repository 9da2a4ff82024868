// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"sync"
	"time"
)

// The faults that the lab can have, each from a cause that facts of the field name. CONTRACT.md says what
// each does.
const (
	faultFile               = "file_fault"
	faultOmitExtent         = "omit_extent"
	faultApplicationQuiesce = "application_quiesce"
	faultFilesystemQuiesce  = "filesystem_quiesce"
	faultSnapshot           = "snapshot"
	faultHostLost           = "host_lost"
	faultRemoval            = "removal"
	faultConsolidation      = "consolidation"
	faultSlowTask           = "slow_task"
	faultSession            = "session_expired"
	faultLease              = "lease_expired"
	faultUnavailable        = "soap_unavailable"
	faultLostAnswer         = "soap_lost_answer"
	faultFileUnavailable    = "file_unavailable"
)

var faultKinds = []string{
	faultFile, faultOmitExtent, faultApplicationQuiesce, faultFilesystemQuiesce, faultSnapshot, faultHostLost,
	faultRemoval, faultConsolidation, faultSlowTask, faultSession, faultLease,
	faultUnavailable, faultLostAnswer, faultFileUnavailable,
}

// settings hold for all machines until they are changed.
type settings struct {
	// TaskSeconds is how long each of our tasks takes.
	TaskSeconds float64 `json:"task_seconds"`
	// PageLength, in bytes, and PageExtents limit an answer about changed areas; 0 is no limit.
	PageLength  int64 `json:"page_length"`
	PageExtents int   `json:"page_extents"`
	// LeaseSeconds is how long a lease lives after each sign of life.
	LeaseSeconds float64 `json:"lease_seconds"`
	// LateChangeIDs: the snapshot by which tracking takes effect carries no change ids yet.
	LateChangeIDs bool `json:"late_change_ids"`
	// ObjectStore: no disk is a file of the datastore, as on vSAN and vVols.
	ObjectStore bool `json:"object_store"`
}

// fault is one that is to happen for so many occasions, to one machine or (without a name) to any.
type fault struct {
	Kind  string `json:"kind"`
	VM    string `json:"vm"`
	Times int    `json:"times"`
	// AfterBytes: a session or a lease expires when so many bytes of disks have been read.
	AfterBytes int64 `json:"after_bytes"`
	// Seconds is what a slow task takes longer.
	Seconds float64 `json:"seconds"`
	// Method is the call that a fault of the wire is for, such as CreateSnapshot_Task; without it any.
	Method string `json:"method"`
}

// switches are what the lab sets from outside.
type switches struct {
	mutex  sync.Mutex
	common settings
	faults []fault
}

func newSwitches() switches {
	// Pages are small so that a client that asks once fails in every test; 300 s is what vCenter gives.
	return switches{common: settings{TaskSeconds: 0.05, PageLength: 256 << 20, PageExtents: 16, LeaseSeconds: 300}}
}

func (s *switches) get() settings {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.common
}

func (s *switches) set(wanted settings) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.common = wanted
}

func (s *switches) add(wanted fault) error {
	if wanted.Times <= 0 {
		wanted.Times = 1
	}
	for _, kind := range faultKinds {
		if kind == wanted.Kind {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			s.faults = append(s.faults, wanted)
			return nil
		}
	}
	return fmt.Errorf("%q is none of the faults %v", wanted.Kind, faultKinds)
}

func (s *switches) clear() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.faults = nil
}

func (s *switches) pending() []fault {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]fault{}, s.faults...)
}

// take returns the fault that is to happen now, or nil; it happens once less from then on.
func (s *switches) take(kind, vm string) *fault {
	return s.takeIf(kind, func(each *fault) bool { return each.VM == "" || each.VM == vm })
}

// takeAfter counts the bytes against the faults of the kind, and returns one for which enough were read.
func (s *switches) takeAfter(kind, vm string, bytes int64) *fault {
	return s.takeIf(kind, func(each *fault) bool {
		if each.VM != "" && each.VM != vm {
			return false
		}
		each.AfterBytes -= bytes
		return each.AfterBytes <= 0
	})
}

// takeCall returns a fault of the wire that is to meet the call.
func (s *switches) takeCall(kind, method string) *fault {
	return s.takeIf(kind, func(each *fault) bool { return each.Method == "" || each.Method == method })
}

func (s *switches) takeIf(kind string, happens func(*fault) bool) *fault {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i := range s.faults {
		if s.faults[i].Kind == kind && happens(&s.faults[i]) {
			return s.spend(i)
		}
	}
	return nil
}

// spend lets the fault happen once; it is forgotten with the last time.
func (s *switches) spend(index int) *fault {
	s.faults[index].Times--
	taken := s.faults[index]
	if taken.Times <= 0 {
		s.faults = append(s.faults[:index], s.faults[index+1:]...)
	}
	return &taken
}

func (s *switches) taskTime(vm string) time.Duration {
	seconds := s.get().TaskSeconds
	if slow := s.take(faultSlowTask, vm); slow != nil {
		seconds += slow.Seconds
	}
	return time.Duration(seconds * float64(time.Second))
}

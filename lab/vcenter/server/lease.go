// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// lease is an export of a machine's disks: initializing while their bodies are made, ready until it is
// completed, aborted, or without a sign of life for too long. While it lives it holds the machine.
type lease struct {
	mo.HttpNfcLease

	site    *site
	vm      *virtualMachine
	name    string
	timeout time.Duration
	timer   *time.Timer
	files   []leaseFile
	// phase is what requests for bodies look at, which hold no lock of the lease.
	phase int32
}

// The phases of a lease.
const (
	phaseInitializing int32 = iota
	phaseReady
	phaseEnded
)

// leaseFile is one body to fetch.
type leaseFile struct {
	name string
	key  string
	disk int32 // 0 for what is no disk
}

// ExportSnapshot exports the disks that the snapshot froze; the machine may run.
func (s *snapshot) ExportSnapshot(ctx *simulator.Context, req *types.ExportSnapshot) soap.HasFault {
	record := s.vm.record.snapshot(s.id)
	if record == nil {
		return &methods.ExportSnapshotBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: s.Self})}
	}
	reference, fault := s.vm.export(ctx, record.Disks)
	if fault != nil {
		return &methods.ExportSnapshotBody{Fault_: fault}
	}
	return &methods.ExportSnapshotBody{Res: &types.ExportSnapshotResponse{Returnval: reference}}
}

// ExportVm exports the disks of a machine that is off.
func (vm *virtualMachine) ExportVm(ctx *simulator.Context, req *types.ExportVm) soap.HasFault {
	if vm.isRunning() {
		return &methods.ExportVmBody{Fault_: simulator.Fault("", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOff,
			ExistingState:  vm.Runtime.PowerState,
		})}
	}
	reference, fault := vm.export(ctx, vm.record.Disks)
	if fault != nil {
		return &methods.ExportVmBody{Fault_: fault}
	}
	return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: reference}}
}

// export returns a lease over these disks, which is initializing. Their files are opened here, under the
// machine's lock, and none of them is written to while the lease lives.
func (vm *virtualMachine) export(ctx *simulator.Context, disks []diskRecord) (types.ManagedObjectReference, *soap.Fault) {
	opened, err := vm.openExports(disks)
	if err != nil {
		return types.ManagedObjectReference{}, simulator.Fault(err.Error(), &types.FileFault{File: err.Error()})
	}
	l := newLease(vm)
	ctx.Session.Put(l)
	vm.site.keepLease(l)
	vm.exportTask = simulator.CreateTask(vm, "exportVm", nil).Self
	atomic.AddInt32(&vm.exports, 1)
	go l.prepare(opened)
	return l.Self, nil
}

func newLease(vm *virtualMachine) *lease {
	seconds := vm.site.switches.get().LeaseSeconds
	l := &lease{site: vm.site, vm: vm, name: fmt.Sprintf("%x", randomBytes(8))}
	l.timeout = time.Duration(seconds * float64(time.Second))
	l.timer = time.AfterFunc(l.timeout, l.expire)
	l.timer.Stop() // Its time begins when it is ready.
	l.Self.Type = "HttpNfcLease"
	l.State = types.HttpNfcLeaseStateInitializing
	l.Mode = string(types.HttpNfcLeaseModePushOrGet)
	return l
}

// openDisk is a disk to export with its open files.
type openDisk struct {
	record diskRecord
	files  *stack
}

// openExports leaves out what no snapshot freezes: raw and independent disks cannot be exported.
func (vm *virtualMachine) openExports(disks []diskRecord) ([]openDisk, error) {
	var opened []openDisk
	for _, disk := range disks {
		if !disk.isFrozenBySnapshots() {
			continue
		}
		files, err := vm.files.open(vm.record.chain(disk.Key), disk.Link)
		if err != nil {
			closeAll(opened)
			return nil, err
		}
		opened = append(opened, openDisk{disk, files})
	}
	return opened, nil
}

func closeAll(disks []openDisk) {
	for _, disk := range disks {
		disk.files.Close()
	}
}

// prepare makes the bodies and lets the lease become ready.
func (l *lease) prepare(disks []openDisk) {
	info, err := l.makeBodies(disks)
	closeAll(disks)
	simulator.Map.WithLock(l, func() {
		switch {
		case l.hasEnded():
			l.removeBodies()
		case err != nil:
			log.Printf("%s: export: %s", l.vm.Name, err)
			l.end(types.HttpNfcLeaseStateError, &types.FileFault{File: err.Error()})
		default:
			l.becomeReady(info)
		}
	})
}

func (l *lease) becomeReady(info *types.HttpNfcLeaseInfo) {
	l.timer.Reset(l.timeout)
	l.change("info", info)
	l.change("initializeProgress", int32(100))
	atomic.StoreInt32(&l.phase, phaseReady)
	l.change("state", types.HttpNfcLeaseStateReady)
}

// change sets a property, under the lease's lock.
func (l *lease) change(name string, value types.AnyType) {
	simulator.Map.Update(l, []types.PropertyChange{{Name: name, Val: value}})
}

// end lets the machine go and removes the bodies. Called once, under the lease's lock.
func (l *lease) end(state types.HttpNfcLeaseState, fault types.BaseMethodFault) {
	atomic.StoreInt32(&l.phase, phaseEnded)
	l.timer.Stop()
	atomic.AddInt32(&l.vm.exports, -1)
	l.site.dropLease(l)
	if fault != nil {
		l.change("error", types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)})
	}
	l.change("state", state)
	l.removeBodies()
}

func (l *lease) removeBodies() {
	if err := os.RemoveAll(l.directory()); err != nil {
		log.Printf("%s: export: %s", l.vm.Name, err)
	}
}

// expire ends a lease that gave no sign of life for too long.
func (l *lease) expire() {
	simulator.Map.WithLock(l, func() {
		if !l.hasEnded() {
			l.end(types.HttpNfcLeaseStateError, &types.Timedout{})
		}
	})
}

func (l *lease) hasEnded() bool { return atomic.LoadInt32(&l.phase) == phaseEnded }
func (l *lease) isReady() bool  { return atomic.LoadInt32(&l.phase) == phaseReady }

func (l *lease) directory() string { return filepath.Join(l.site.leaseDirectory(), l.name) }

// refused is the fault of any call after the end.
func (l *lease) refused() *soap.Fault {
	if !l.hasEnded() {
		return nil
	}
	if l.Error != nil {
		return simulator.Fault("The lease has ended", l.Error.Fault)
	}
	return simulator.Fault("The lease has ended", &types.InvalidState{})
}

// HttpNfcLeaseProgress is the sign of life.
func (l *lease) HttpNfcLeaseProgress(ctx *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	if refused := l.refused(); refused != nil {
		return &methods.HttpNfcLeaseProgressBody{Fault_: refused}
	}
	l.timer.Reset(l.timeout)
	l.change("transferProgress", req.Percent)
	return &methods.HttpNfcLeaseProgressBody{Res: &types.HttpNfcLeaseProgressResponse{}}
}

// HttpNfcLeaseComplete ends the lease well.
func (l *lease) HttpNfcLeaseComplete(ctx *simulator.Context, req *types.HttpNfcLeaseComplete) soap.HasFault {
	if refused := l.refused(); refused != nil {
		return &methods.HttpNfcLeaseCompleteBody{Fault_: refused}
	}
	if !l.isReady() {
		return &methods.HttpNfcLeaseCompleteBody{Fault_: simulator.Fault("", &types.InvalidState{})}
	}
	l.end(types.HttpNfcLeaseStateDone, nil)
	return &methods.HttpNfcLeaseCompleteBody{Res: &types.HttpNfcLeaseCompleteResponse{}}
}

// HttpNfcLeaseAbort ends the lease with the client's fault, or with none.
func (l *lease) HttpNfcLeaseAbort(ctx *simulator.Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	if refused := l.refused(); refused != nil {
		return &methods.HttpNfcLeaseAbortBody{Fault_: refused}
	}
	var fault types.BaseMethodFault
	if req.Fault != nil {
		fault = req.Fault.Fault
	}
	l.end(types.HttpNfcLeaseStateError, fault)
	return &methods.HttpNfcLeaseAbortBody{Res: &types.HttpNfcLeaseAbortResponse{}}
}

// HttpNfcLeaseGetManifest returns size and digest of each body.
func (l *lease) HttpNfcLeaseGetManifest(ctx *simulator.Context, req *types.HttpNfcLeaseGetManifest) soap.HasFault {
	body := &methods.HttpNfcLeaseGetManifestBody{}
	if !l.isReady() {
		body.Fault_ = simulator.Fault("", &types.InvalidState{})
		return body
	}
	body.Res = &types.HttpNfcLeaseGetManifestResponse{}
	for _, file := range l.files {
		entry, err := l.manifestEntry(file)
		if err != nil {
			return &methods.HttpNfcLeaseGetManifestBody{Fault_: simulator.Fault(err.Error(), &types.InvalidState{})}
		}
		body.Res.Returnval = append(body.Res.Returnval, entry)
	}
	return body
}

func (s *site) keepLease(l *lease) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.leases[l.name] = l
}

func (s *site) dropLease(l *lease) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delete(s.leases, l.name)
}

func (s *site) allLeases() []*lease {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	all := []*lease{}
	for _, each := range s.leases {
		all = append(all, each)
	}
	return all
}

// expireLeases ends all of them, as if nobody had given a sign of life.
func (s *site) expireLeases() {
	for _, each := range s.allLeases() {
		each.expire()
	}
}

// expireSessions ends all sessions, and with them their leases.
func (s *site) expireSessions() {
	endSessions()
	s.expireLeases()
}

// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"log"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// virtualMachine is the simulator's machine with disks of ours. The first field must lead to the managed
// object, by value: the property collector digs for it.
type virtualMachine struct {
	simulator.VirtualMachine

	site   *site
	record *machineRecord
	files  chainFiles
	// fixed are the devices that are no disks.
	fixed []types.BaseVirtualDevice
	// exports counts the leases that hold the machine.
	exports int32
	// exportTask is the task of the last of them, by which refusals tell what holds the machine.
	exportTask types.ManagedObjectReference
	mutex      *sync.Mutex
}

// Lock and Unlock make the simulator hold the machine's lock during each call of a method.
func (vm *virtualMachine) Lock() { vm.mutex.Lock() }

// Unlock ends what Lock began.
func (vm *virtualMachine) Unlock() { vm.mutex.Unlock() }

// snapshot is the managed object for one snapshot. Its lock is the machine's: what is done to the one
// changes the other.
type snapshot struct {
	mo.VirtualMachineSnapshot

	vm *virtualMachine
	id int32
}

// Lock holds the machine.
func (s *snapshot) Lock() { s.vm.mutex.Lock() }

// Unlock ends what Lock began.
func (s *snapshot) Unlock() { s.vm.mutex.Unlock() }

// disabledMethods would destroy or move what the lab's directory holds, or are known to end the simulator
// when a machine is not exactly its own. Named as the simulator compares them.
var disabledMethods = []string{
	"DestroyTask", "UnregisterVM", "CloneVMTask", "RelocateVMTask", "SuspendVMTask", "ResetVMTask", "MarkAsTemplate",
}

func newVirtualMachine(s *site, record *machineRecord, original *simulator.VirtualMachine) *virtualMachine {
	vm := &virtualMachine{
		VirtualMachine: *original,
		site:           s,
		record:         record,
		files:          s.files(record.Name),
		fixed:          original.Config.Hardware.Device,
		mutex:          &sync.Mutex{},
	}
	vm.DisabledMethod = disabledMethods
	capability := &vm.Capability
	capability.ChangeTrackingSupported = types.NewBool(true)
	capability.SnapshotOperationsSupported = true
	capability.MultipleSnapshotsSupported = true
	capability.QuiescedSnapshotsSupported = true
	return vm
}

// change carries out a change of the record, saves it and shows it to clients. If it fails, the machine is
// as it was saved last, and the fault tells why.
func (vm *virtualMachine) change(do func() error) types.BaseMethodFault {
	err := do()
	if err == nil {
		err = vm.save()
	}
	if err == nil {
		vm.publish()
		return nil
	}
	log.Printf("%s: %s", vm.Name, err)
	saved := &machineRecord{}
	if err := readJSON(vm.site.recordPath(vm.record.Name), saved); err != nil {
		log.Fatalf("%s: its record is lost: %s", vm.Name, err)
	}
	*vm.record = *saved
	vm.publish()
	return &types.FileFault{File: err.Error()}
}

// isExported tells whether a lease holds the disks.
func (vm *virtualMachine) isExported() bool { return atomic.LoadInt32(&vm.exports) > 0 }

// busy is the fault of what cannot be done while a lease holds the disks, or nil.
func (vm *virtualMachine) busy() types.BaseMethodFault {
	if !vm.isExported() {
		return nil
	}
	return &types.TaskInProgress{Task: vm.exportTask}
}

// asError is for the lab's own interface, which knows no faults.
func asError(fault types.BaseMethodFault) error {
	if fault == nil {
		return nil
	}
	return fmt.Errorf("%T: %v", fault, fault)
}

func (vm *virtualMachine) save() error {
	return writeJSON(vm.site.recordPath(vm.record.Name), vm.record)
}

// publish makes the managed objects show what the record says. Whoever reads them holds the machine's lock,
// and lists that were handed out are never changed.
func (vm *virtualMachine) publish() {
	vm.Config.Hardware.Device = vm.devices(vm.record.Disks)
	vm.Config.ChangeTrackingEnabled = types.NewBool(vm.record.TrackingWanted)
	vm.showPower()
	vm.publishSnapshots()
	_, redundant := vm.record.redundant()
	vm.Runtime.ConsolidationNeeded = types.NewBool(redundant)
	vm.Summary.Runtime = vm.Runtime
	vm.Summary.Config.NumVirtualDisks = int32(len(vm.record.Disks))
	simulator.Map.Update(vm, []types.PropertyChange{
		{Name: "config.hardware.device", Val: vm.Config.Hardware.Device},
		{Name: "runtime.consolidationNeeded", Val: redundant},
	})
}

func (vm *virtualMachine) devices(records []diskRecord) []types.BaseVirtualDevice {
	devices := append([]types.BaseVirtualDevice{}, vm.fixed...)
	return append(devices, vm.disks(records)...)
}

func (vm *virtualMachine) isRunning() bool {
	return vm.record.PowerState == string(types.VirtualMachinePowerStatePoweredOn)
}

func (vm *virtualMachine) showPower() {
	vm.Runtime.PowerState = types.VirtualMachinePowerState(vm.record.PowerState)
	status, running := types.VirtualMachineToolsStatusToolsNotRunning, "guestToolsNotRunning"
	if vm.record.Description.ToolsAbsent {
		status = types.VirtualMachineToolsStatusToolsNotInstalled
	} else if vm.isRunning() {
		status, running = types.VirtualMachineToolsStatusToolsOk, "guestToolsRunning"
	}
	vm.Guest.ToolsStatus = status
	vm.Guest.ToolsRunningStatus = running
	vm.Summary.Guest.ToolsStatus = status
	vm.Summary.Guest.ToolsRunningStatus = running
}

// afterPower keeps what the simulator made of the machine's power. Power on is a stun: what was set about
// change tracking takes effect.
func (vm *virtualMachine) afterPower() {
	_ = vm.change(func() error {
		vm.record.PowerState = string(vm.Runtime.PowerState)
		return vm.stun()
	})
}

// PowerOnVMTask is refused while a lease holds the disks.
func (vm *virtualMachine) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	if busy := vm.busy(); busy != nil {
		return &methods.PowerOnVM_TaskBody{Fault_: simulator.Fault("", busy)}
	}
	answer := vm.VirtualMachine.PowerOnVMTask(ctx, req)
	vm.afterPower()
	return answer
}

// PowerOffVMTask turns the machine off at once.
func (vm *virtualMachine) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	answer := vm.VirtualMachine.PowerOffVMTask(ctx, req)
	vm.afterPower()
	return answer
}

// ShutdownGuest needs a guest with tools that run.
func (vm *virtualMachine) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	if vm.isRunning() && vm.record.Description.ToolsAbsent {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", &types.ToolsUnavailable{})}
	}
	answer := vm.VirtualMachine.ShutdownGuest(ctx, req)
	vm.afterPower()
	return answer
}

// ReconfigVMTask changes what the simulator can change and keeps whether changes are to be tracked. Devices
// are the lab's to change: a migration must not touch those of its source.
func (vm *virtualMachine) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	if len(req.Spec.DeviceChange) > 0 {
		fault := simulator.Fault("The lab changes devices by its switches only", &types.NotSupported{})
		return &methods.ReconfigVM_TaskBody{Fault_: fault}
	}
	// The simulator lays out the files of all disks, and knows flat ones of its own only.
	vm.Config.Hardware.Device = vm.fixed
	answer := vm.VirtualMachine.ReconfigVMTask(ctx, req)
	_ = vm.change(func() error { return vm.keepTracking(req.Spec.ChangeTrackingEnabled) })
	return answer
}

// keepTracking keeps whether changes are to be tracked. A machine that is off needs no stun for that.
func (vm *virtualMachine) keepTracking(wanted *bool) error {
	if wanted == nil {
		return nil
	}
	vm.record.TrackingWanted = *wanted
	if vm.isRunning() {
		return nil
	}
	return vm.stun()
}

// stun lets change tracking take effect as it was set last: a running machine does that only when it is
// stopped for a moment.
func (vm *virtualMachine) stun() error {
	if vm.record.TrackingWanted == vm.record.TrackingActive {
		return nil
	}
	vm.record.TrackingActive = vm.record.TrackingWanted
	for i := range vm.record.Disks {
		disk := &vm.record.Disks[i]
		if !disk.isFrozenBySnapshots() {
			continue
		}
		if err := vm.startTracking(disk); err != nil {
			return err
		}
	}
	return nil
}

// startTracking begins to track the disk under a new uuid, or removes its tracking if none is wanted.
func (vm *virtualMachine) startTracking(disk *diskRecord) error {
	if !vm.record.TrackingActive {
		return removeAll(vm.files.tracking(disk.Link))
	}
	return saveTracker(vm.files, disk.Link, newTracker())
}

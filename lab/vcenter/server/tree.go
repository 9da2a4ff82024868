// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// publishSnapshots makes the objects and the tree of the snapshots that the record has, and no others.
func (vm *virtualMachine) publishSnapshots() {
	vm.removeObjects()
	vm.RootSnapshot = nil
	for i := range vm.record.Snapshots {
		vm.putObject(&vm.record.Snapshots[i])
	}
	vm.Snapshot = nil
	if len(vm.record.Snapshots) > 0 {
		vm.Snapshot = &types.VirtualMachineSnapshotInfo{RootSnapshotList: vm.branches(0)}
	}
	if vm.Snapshot != nil && vm.record.Current != 0 {
		current := snapshotReference(vm.record, vm.record.Current)
		vm.Snapshot.CurrentSnapshot = &current
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "snapshot", Val: valueOf(vm.Snapshot)}})
}

// valueOf is nil for no snapshots: to the simulator a pointer to nothing is a value.
func valueOf(info *types.VirtualMachineSnapshotInfo) types.AnyType {
	if info == nil {
		return nil
	}
	return info
}

func (vm *virtualMachine) removeObjects() {
	for id := int32(1); id <= vm.record.LastSnapshot; id++ {
		if vm.record.snapshot(id) == nil {
			simulator.Map.Remove(snapshotReference(vm.record, id))
		}
	}
}

func (vm *virtualMachine) putObject(record *snapRecord) {
	reference := snapshotReference(vm.record, record.ID)
	object := snapshotOf(reference)
	if object == nil {
		object = &snapshot{vm: vm, id: record.ID}
		// The registry derives a missing type from Go's name for ours, which clients do not know.
		object.Self = reference
		object.Vm = vm.Self
		simulator.Map.Put(object)
	}
	object.Config = *vm.Config
	object.Config.Hardware.Device = vm.devices(record.Disks)
	object.ChildSnapshot = nil
	for _, child := range vm.record.childrenOf(record.ID) {
		object.ChildSnapshot = append(object.ChildSnapshot, snapshotReference(vm.record, child))
	}
	if record.Parent == 0 {
		vm.RootSnapshot = append(vm.RootSnapshot, reference)
	}
}

func (vm *virtualMachine) branches(parent int32) []types.VirtualMachineSnapshotTree {
	var found []types.VirtualMachineSnapshotTree
	for _, record := range vm.record.Snapshots {
		if record.Parent == parent {
			found = append(found, vm.branch(record))
		}
	}
	return found
}

func (vm *virtualMachine) branch(record snapRecord) types.VirtualMachineSnapshotTree {
	return types.VirtualMachineSnapshotTree{
		Snapshot:          snapshotReference(vm.record, record.ID),
		Vm:                vm.Self,
		Name:              record.Name,
		Description:       record.Description,
		Id:                record.ID,
		CreateTime:        time.Unix(record.Created, 0).UTC(),
		State:             types.VirtualMachinePowerState(record.PowerState),
		Quiesced:          record.Quiesced,
		ReplaySupported:   types.NewBool(false),
		ChildSnapshotList: vm.branches(record.ID),
	}
}

func (m *machineRecord) childrenOf(id int32) []int32 {
	var found []int32
	for _, each := range m.Snapshots {
		if each.Parent == id {
			found = append(found, each.ID)
		}
	}
	return found
}

// subtree returns the snapshot, and all that stand on it if they are to go with it.
func (m *machineRecord) subtree(id int32, withChildren bool) []int32 {
	found := []int32{id}
	if withChildren {
		for _, child := range m.childrenOf(id) {
			found = append(found, m.subtree(child, true)...)
		}
	}
	return found
}

func (m *machineRecord) allSnapshots() []int32 {
	var found []int32
	for _, each := range m.Snapshots {
		found = append(found, each.ID)
	}
	return found
}

// dropSnapshot takes it out of the tree, if it is there; what stood on it stands on its parent.
func (m *machineRecord) dropSnapshot(id int32) {
	dropped := m.snapshot(id)
	if dropped == nil {
		return
	}
	parent := dropped.Parent
	kept := []snapRecord{}
	for _, each := range m.Snapshots {
		if each.Parent == id {
			each.Parent = parent
		}
		if each.ID != id {
			kept = append(kept, each)
		}
	}
	m.Snapshots = kept
	if m.Current == id {
		m.Current = parent
	}
}

import CHDF5
import Files
import Foundation

extension HDF5File {
  func check(_ status: some BinaryInteger, _ what: String) throws {
    guard status >= 0 else {
      let reason = errno == ENOSPC ? String(cString: strerror(ENOSPC)) : "HDF5 refused '\(what)'"
      throw WriteError.failed(path: path, reason: reason)
    }
  }

  /// Makes a group; its parent must exist.
  package func createGroup(_ name: String) throws {
    try HDF5.locked {
      let group = Handle(H5Gcreate2(id, name, h5Default, h5Default, h5Default))
      try check(group.id, name)
    }
  }

  package func write<Value: StoredNumber>(
    _ values: [Value], shape: [Int], to name: String, chunk: [Int]? = nil
  ) throws {
    try HDF5.locked { try write(values, as: Value.stored, shape: shape, to: name, chunk: chunk) }
  }

  private func write<Value: BitwiseCopyable>(
    _ values: [Value], as type: hid_t, shape: [Int], to name: String, chunk: [Int]? = nil
  ) throws {
    precondition(
      values.count * MemoryLayout<Value>.stride == shape.reduce(H5Tget_size(type), *),
      "write: \(values.count) values for shape \(shape)")
    let dataset = try createDataset(name, type, shape: shape, chunk: values.isEmpty ? nil : chunk)
    if !values.isEmpty { try check(H5Dwrite(dataset.id, type, h5All, h5All, h5Default, values), name) }
  }

  /// Contiguous without a chunk shape; gzip level 4 with one, as robomimic writes. No time stamps: equal content makes
  /// equal files.
  func createDataset(_ name: String, _ type: hid_t, shape: [Int], chunk: [Int]? = nil) throws -> Handle {
    let space = Handle(H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil))
    let properties = Handle(H5Pcreate(h5_dataset_creation()))
    H5Pset_obj_track_times(properties.id, false)
    if let chunk {
      try check(H5Pset_chunk(properties.id, Int32(chunk.count), chunk.map { hsize_t($0) }), name)
      try check(H5Pset_deflate(properties.id, 4), name)
    }
    let dataset = Handle(H5Dcreate2(id, name, type, space.id, h5Default, properties.id, h5Default))
    try check(dataset.id, name)
    return dataset
  }

  /// Byte strings of one length, padded with zeros, as NumPy's `S` type.
  package func write(_ texts: [String], to name: String) throws {
    try HDF5.locked {
      let width = max(1, texts.map { $0.utf8.count }.max() ?? 1)
      let type = Handle(H5Tcopy(h5_c_string()))
      H5Tset_size(type.id, width)
      H5Tset_strpad(type.id, H5T_STR_NULLPAD)
      let bytes = texts.flatMap { Array($0.utf8) + Array(repeating: UInt8(0), count: width - $0.utf8.count) }
      try write(bytes, as: type.id, shape: [texts.count], to: name)
    }
  }

  /// Rows of bytes of any length each, as variable-length lists: how frames are kept as JPEG.
  func writeLists(_ lists: [[UInt8]], to name: String) throws {
    var everything = lists.flatMap { $0 }
    try everything.withUnsafeMutableBytes { bytes in
      var start = 0
      let entries = lists.map { list in
        defer { start += list.count }
        return hvl_t(len: list.count, p: bytes.baseAddress.map { $0 + start })
      }
      try HDF5.locked {
        let type = Handle(H5Tvlen_create(h5_byte()))
        try write(entries, as: type.id, shape: [lists.count], to: name)
      }
    }
  }

  /// Text of any length, variable-length UTF-8 as h5py writes it.
  package func setText(_ text: String, of object: String, _ name: String) throws {
    try HDF5.locked {
      let type = Handle(H5Tcopy(h5_c_string()))
      H5Tset_size(type.id, Int(bitPattern: UInt.max))  // H5T_VARIABLE
      H5Tset_cset(type.id, H5T_CSET_UTF8)
      try text.withCString { pointer in
        var value: UnsafePointer<CChar>? = pointer
        try setAttribute(object, name, type: type.id, &value)
      }
    }
  }

  package func setInteger(_ value: Int, of object: String, _ name: String) throws {
    var value = Int64(value)
    try HDF5.locked { try setAttribute(object, name, type: h5_integer(), &value) }
  }

  private func setAttribute(_ object: String, _ name: String, type: hid_t, _ value: UnsafeRawPointer) throws {
    let target = Handle(H5Oopen(id, object, h5Default))
    try check(target.id, object)
    let space = Handle(H5Screate(H5S_SCALAR))
    // One that was copied from another file makes room.
    if H5Aexists(target.id, name) > 0 { try check(H5Adelete(target.id, name), "\(object)@\(name)") }
    let attribute = Handle(H5Acreate2(target.id, name, type, space.id, h5Default, h5Default))
    try check(attribute.id, "\(object)@\(name)")
    try check(H5Awrite(attribute.id, type, value), "\(object)@\(name)")
  }

  /// Copies a group and all below it, chunks as they are, without inflating them.
  package func copy(_ name: String, from other: HDF5File, as newName: String) throws {
    try HDF5.locked {
      // Values behind external links come along: where the copy lies they might not be found.
      let properties = Handle(H5Pcreate(h5_object_copy()))
      H5Pset_copy_object(properties.id, h5_expand_external())
      try check(H5Ocopy(other.id, name, id, newName, properties.id, h5Default), newName)
    }
  }

  /// Makes a symbolic link within the file.
  func link(_ name: String, to target: String) throws {
    try HDF5.locked { try check(H5Lcreate_soft(target, id, name, h5Default, h5Default), name) }
  }

  /// Gives an object a second name.
  func name(_ name: String, as original: String) throws {
    try HDF5.locked { try check(H5Lcreate_hard(id, original, id, name, h5Default, h5Default), name) }
  }
}

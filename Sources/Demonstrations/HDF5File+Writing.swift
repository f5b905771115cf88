import CHDF5
import Foundation

extension HDF5File {
  private func check(_ status: some BinaryInteger, _ what: String) throws {
    guard status >= 0 else {
      let reason = errno == ENOSPC ? String(cString: strerror(ENOSPC)) : "HDF5 refused '\(what)'"
      throw HDF5Error.notWritten(file: path, reason: reason)
    }
  }

  /// Makes a group; its parent must exist.
  package func createGroup(_ name: String) throws {
    try HDF5.locked {
      let group = H5Gcreate2(id, name, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
      try check(group, name)
      H5Gclose(group)
    }
  }

  package func write(_ values: [Double], shape: [Int], to name: String, chunk: [Int]? = nil) throws {
    try write(values, shape: shape, type: h5_double(), to: name, chunk: chunk)
  }
  package func write(_ values: [Float], shape: [Int], to name: String, chunk: [Int]? = nil) throws {
    try write(values, shape: shape, type: h5_float(), to: name, chunk: chunk)
  }
  package func write(_ values: [UInt8], shape: [Int], to name: String, chunk: [Int]? = nil) throws {
    try write(values, shape: shape, type: h5_byte(), to: name, chunk: chunk)
  }
  package func write(_ values: [Int64], shape: [Int], to name: String) throws {
    try write(values, shape: shape, type: h5_integer(), to: name, chunk: nil)
  }

  /// Contiguous without a chunk shape; gzip level 4 with one, as robomimic writes. No time stamps: equal content makes
  /// equal files.
  private func write<Value: BitwiseCopyable>(
    _ values: [Value], shape: [Int], type: hid_t, to name: String, chunk: [Int]?
  ) throws {
    precondition(values.count == shape.reduce(1, *), "write: \(values.count) values for shape \(shape)")
    try HDF5.locked {
      let space = H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
      defer { H5Sclose(space) }
      let properties = H5Pcreate(h5_dataset_creation())
      defer { H5Pclose(properties) }
      H5Pset_obj_track_times(properties, false)
      if let chunk, !values.isEmpty {
        try check(H5Pset_chunk(properties, Int32(chunk.count), chunk.map { hsize_t($0) }), name)
        try check(H5Pset_deflate(properties, 4), name)
      }
      let dataset = H5Dcreate2(id, name, type, space, hid_t(H5P_DEFAULT), properties, hid_t(H5P_DEFAULT))
      try check(dataset, name)
      defer { H5Dclose(dataset) }
      if !values.isEmpty {
        try check(H5Dwrite(dataset, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), values), name)
      }
    }
  }

  /// Byte strings of one length, padded with zeros, as NumPy's `S` type.
  package func write(_ texts: [String], to name: String) throws {
    try HDF5.locked {
      let width = max(1, texts.map { $0.utf8.count }.max() ?? 1)
      let type = H5Tcopy(h5_c_string())
      defer { H5Tclose(type) }
      H5Tset_size(type, width)
      H5Tset_strpad(type, H5T_STR_NULLPAD)
      let bytes = texts.flatMap { Array($0.utf8) + Array(repeating: UInt8(0), count: width - $0.utf8.count) }
      let space = H5Screate_simple(1, [hsize_t(texts.count)], nil)
      defer { H5Sclose(space) }
      let properties = H5Pcreate(h5_dataset_creation())
      defer { H5Pclose(properties) }
      H5Pset_obj_track_times(properties, false)
      let dataset = H5Dcreate2(id, name, type, space, hid_t(H5P_DEFAULT), properties, hid_t(H5P_DEFAULT))
      try check(dataset, name)
      defer { H5Dclose(dataset) }
      try check(H5Dwrite(dataset, type, hid_t(H5S_ALL), hid_t(H5S_ALL), hid_t(H5P_DEFAULT), bytes), name)
    }
  }

  /// Text of any length, variable-length UTF-8 as h5py writes it.
  package func setText(_ text: String, of object: String, _ name: String) throws {
    try HDF5.locked {
      let type = H5Tcopy(h5_c_string())
      defer { H5Tclose(type) }
      H5Tset_size(type, Int(bitPattern: UInt.max))  // H5T_VARIABLE
      H5Tset_cset(type, H5T_CSET_UTF8)
      try text.withCString { pointer in
        var value: UnsafePointer<CChar>? = pointer
        try setAttribute(object, name, type: type, &value)
      }
    }
  }

  package func setInteger(_ value: Int, of object: String, _ name: String) throws {
    var value = Int64(value)
    try HDF5.locked { try setAttribute(object, name, type: h5_integer(), &value) }
  }

  private func setAttribute(_ object: String, _ name: String, type: hid_t, _ value: UnsafeRawPointer) throws {
    let target = H5Oopen(id, object, hid_t(H5P_DEFAULT))
    try check(target, object)
    defer { H5Oclose(target) }
    let space = H5Screate(H5S_SCALAR)
    defer { H5Sclose(space) }
    let attribute = H5Acreate2(target, name, type, space, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT))
    try check(attribute, "\(object)@\(name)")
    defer { H5Aclose(attribute) }
    try check(H5Awrite(attribute, type, value), "\(object)@\(name)")
  }

  /// Copies a group and all below it, chunks as they are, without inflating them.
  package func copy(_ name: String, from other: HDF5File, as newName: String) throws {
    try HDF5.locked {
      // Values behind external links come along: where the copy lies they might not be found.
      let properties = H5Pcreate(h5_object_copy())
      defer { H5Pclose(properties) }
      H5Pset_copy_object(properties, h5_expand_external())
      try check(H5Ocopy(other.id, name, id, newName, properties, hid_t(H5P_DEFAULT)), newName)
    }
  }

  /// Makes a symbolic link within the file.
  func link(_ name: String, to target: String) throws {
    try HDF5.locked { try check(H5Lcreate_soft(target, id, name, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)), name) }
  }

  /// Gives an object a second name.
  func name(_ name: String, as original: String) throws {
    try HDF5.locked {
      try check(H5Lcreate_hard(id, original, id, name, hid_t(H5P_DEFAULT), hid_t(H5P_DEFAULT)), name)
    }
  }
}

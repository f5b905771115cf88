import CHDF5

/// Text and attributes.
extension HDF5File {
  /// A list of strings, of fixed or variable length.
  package func strings(_ path: String) throws -> [String] {
    try withDataset(path) { dataset in
      let type = Handle(H5Dget_type(dataset))
      let space = Handle(H5Dget_space(dataset))
      let count = try size(of: HDF5File.shape(of: dataset), path, each: max(8, H5Tget_size(type.id)))
      guard H5Tget_class(type.id) == H5T_STRING, count * H5Tget_size(type.id) < 1 << 30 else {
        throw HDF5Error.wrongType(file: self.path, path: path, wanted: "text")
      }
      return try HDF5File.strings(type: type.id, space: space.id, count: count) { memory, buffer in
        guard H5Dread(dataset, memory, h5All, h5All, h5Default, buffer) >= 0 else {
          throw failure(path, of: dataset)
        }
      }
    }
  }

  private static func strings(
    type: hid_t, space: hid_t, count: Int, read: (hid_t, UnsafeMutableRawPointer) throws -> Void
  ) throws -> [String] {
    guard count > 0 else { return [] }
    if H5Tis_variable_str(type) > 0 {
      var pointers = [UnsafeMutablePointer<CChar>?](repeating: nil, count: count)
      try pointers.withUnsafeMutableBytes { try read(type, $0.baseAddress!) }
      defer { H5Dvlen_reclaim(type, space, h5Default, &pointers) }
      return pointers.map { $0.map { String(cString: $0) } ?? "" }
    }
    let size = H5Tget_size(type)
    guard size > 0, size < 1 << 30 else { return [] }
    let isPadded = H5Tget_strpad(type) == H5T_STR_SPACEPAD
    var bytes = [UInt8](repeating: 0, count: size * count)
    try bytes.withUnsafeMutableBytes { try read(type, $0.baseAddress!) }
    return (0..<count).map { index in
      var text = bytes[index * size..<(index + 1) * size].prefix { $0 != 0 }
      if isPadded { while text.last == 0x20 { text.removeLast() } }
      return String(decoding: text, as: UTF8.self)
    }
  }

  /// An attribute's text; nil when there is no such attribute.
  /// - Throws: `HDF5Error` when the object is missing or the attribute is not text.
  package func textIfPresent(of path: String, _ name: String) throws -> String? {
    do {
      return try text(of: path, name)
    } catch HDF5Error.missingAttribute {
      return nil
    }
  }

  /// - Throws: `HDF5Error` when the object or the attribute is missing or not text.
  package func text(of path: String, _ name: String) throws -> String {
    try withAttribute(path, name) { attribute in
      func refusal(_ wanted: String) -> HDF5Error {
        .wrongType(file: self.path, path: "\(path)@\(name)", wanted: wanted)
      }
      let type = Handle(H5Aget_type(attribute))
      let space = Handle(H5Aget_space(attribute))
      guard H5Tget_class(type.id) == H5T_STRING else { throw refusal("text") }
      // h5py keeps an empty text as an attribute without a value.
      if H5Sget_simple_extent_type(space.id) == H5S_NULL { return "" }
      guard H5Sget_simple_extent_npoints(space.id) == 1 else { throw refusal("text") }
      let all = try HDF5File.strings(type: type.id, space: space.id, count: 1) { memory, buffer in
        guard H5Aread(attribute, memory, buffer) >= 0 else { throw failure("\(path)@\(name)") }
      }
      let text = all.first ?? ""
      // The sign for bytes that are no UTF-8; nobody writes it on purpose.
      guard !text.contains("\u{fffd}") else { throw refusal("text in UTF-8") }
      return text
    }
  }

  /// - Throws: `HDF5Error` when the object or the attribute is missing or not a number.
  package func integer(of path: String, _ name: String) throws -> Int {
    try withAttribute(path, name) { attribute in
      var value: Int64 = 0
      let space = Handle(H5Aget_space(attribute))
      guard H5Sget_simple_extent_npoints(space.id) == 1, H5Aread(attribute, h5_integer(), &value) >= 0 else {
        throw HDF5Error.wrongType(file: self.path, path: "\(path)@\(name)", wanted: "a whole number")
      }
      return Int(value)
    }
  }

  private func withAttribute<Result>(_ path: String, _ name: String, _ body: (hid_t) throws -> Result) throws -> Result
  {
    try withObject(path) { object in
      guard H5Aexists(object, name) > 0 else {
        throw HDF5Error.missingAttribute(file: self.path, path: path, name: name)
      }
      let attribute = Handle(H5Aopen(object, name, h5Default))
      guard attribute.id >= 0 else { throw failure("\(path)@\(name)") }
      return try body(attribute.id)
    }
  }
}

import Foundation
import Testing
import Training

@Suite struct EventFileTests {
  /// RFC 3720, appendix B.4.
  @Test func checksumIsCastagnolis() {
    #expect(EventFile.checksum(Data(repeating: 0, count: 32)) == 0x8a91_36aa)
    #expect(EventFile.checksum(Data(repeating: 0xff, count: 32)) == 0x62a8_ab43)
    #expect(EventFile.checksum(Data(0..<32)) == 0x46dd_794e)
  }
}

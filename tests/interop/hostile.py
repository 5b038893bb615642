"""Hostile Modbus/TCP frames, each with the answer a strict gateway gives. The plant is plant.toml's: unit 1, read holding 0-199
and 400-989, write holding 100-199, functions 17 and 43/14.
"""
from lab import adu

CLOSED = "closed"


def exception(tid, function, code, unit=1):
    return adu(tid, bytes([function | 0x80, code]), unit)


READ = "0300000002"
READ_OK = "030400000000"
HIDDEN = adu(0x0BAD, "060384beef").hex()  # write 0xBEEF to holding register 900

# name, device, pieces sent as segments of their own, answer
CASES = [
    ("plain read", "plc", [adu(1, READ)], adu(1, READ_OK)),
    ("FC 15 quantity lie (65535 coils in 1 byte)", "plc", [adu(2, "0f0000ffff0100")], exception(2, 15, 3)),
    ("FC 16 quantity * 2 wraps in u16", "plc", [adu(3, "1000008001020000")], exception(3, 16, 3)),
    ("FC 3 runs past address 65535", "plc", [adu(4, "03ffff0002")], exception(4, 3, 3)),
    ("FC 3 of nothing", "plc", [adu(5, "0300000000")], exception(5, 3, 3)),
    ("FC 3 of 126 registers", "plc", [adu(5, "030000007e")], exception(5, 3, 3)),
    ("FC 5 value neither 0000 nor FF00", "plc", [adu(6, "0500010001")], exception(6, 5, 3)),
    ("FC 3 with trailing bytes", "plc", [adu(7, READ + "dead")], exception(7, 3, 3)),
    ("range straddles the limit (980 + 20)", "plc", [adu(8, "0303d40014")], exception(8, 3, 1)),
    ("read in the gap between two points", "plc", [adu(8, "0301000001")], exception(8, 3, 1)),
    ("write outside the granted range", "plc", [adu(9, "0601900001")], exception(9, 6, 1)),
    ("write over the limit", "plc", [adu(9, "0600c804b1")], exception(9, 6, 1)),
    ("write to the first half of a u32", "plc", [adu(9, "06012c0001")], exception(9, 6, 1)),
    ("write to the second half of a u32", "plc", [adu(9, "06012d0001")], exception(9, 6, 1)),
    ("u32 over its limit", "plc", [adu(9, "10012c000204" + "00015f91")], exception(9, 16, 1)),
    ("FC 8/1 restart communications", "plc", [adu(10, "0800010000")], exception(10, 8, 1)),
    ("FC 8/4 force listen only", "plc", [adu(11, "0800040000")], exception(11, 8, 1)),
    ("FC 8/0 echo without a grant", "plc", [adu(11, "0800001234")], exception(11, 8, 1)),
    ("FC 90 vendor programming (UMAS)", "plc", [adu(12, "5a0002")], exception(12, 90, 1)),
    ("FC 43/13 CANopen", "plc", [adu(13, "2b0d0100")], exception(13, 43, 1)),
    ("FC 43/14 with trailing bytes", "plc", [adu(14, "2b0e010000")], exception(14, 43, 3)),
    ("FC 20 read file", "plc", [adu(14, "140706000400010002")], exception(14, 20, 1)),
    ("FC 21 write file", "plc", [adu(14, "15090600040007000106af")], exception(14, 21, 1)),
    ("FC 131 (exception bit in a request)", "plc", [adu(15, "830000")], exception(15, 3, 3)),
    ("FC 0", "plc", [adu(15, "000000")], exception(15, 0, 3)),
    ("FC 22 with a mask on a limited point", "plc", [adu(15, "1600c8fff00001")], exception(15, 22, 1)),
    ("FC 23 with only the read allowed", "plc", [adu(15, "1700000001019000010200ff")], exception(15, 23, 1)),
    ("FC 23 with only the write allowed", "plc", [adu(15, "1703e80001006400010200ff")], exception(15, 23, 1)),
    ("FC 16 across an allowed and a denied register", "plc", [adu(15, "1000c700020400010fff")], exception(15, 16, 1)),
    ("protocol id 1", "plc", [adu(16, READ, protocol=1)], CLOSED),
    ("length 0", "plc", [adu(17, "", length=0)], CLOSED),
    ("length 1", "plc", [adu(18, "", length=1)], CLOSED),
    ("length 255", "plc", [adu(19, READ, length=255)], CLOSED),
    ("length 65535, header only", "plc", [adu(20, "", length=65535)], CLOSED),
    ("foreign unit", "plc", [adu(21, READ, unit=9)], exception(21, 3, 1, unit=9)),
    ("broadcast write (serial profile)", "bus", [adu(21, "0600000001", unit=0)], exception(21, 6, 1, unit=0)),
    ("broadcast read (serial profile)", "bus", [adu(21, "0300000001", unit=0)], exception(21, 3, 1, unit=0)),
    ("unit that the bus has not", "bus", [adu(21, "0600000001", unit=7)], exception(21, 6, 1, unit=7)),
    ("one byte per segment", "plc", [bytes([b]) for b in adu(22, READ)], adu(22, READ_OK)),
    ("smuggled write behind a read", "plc", [adu(23, "0300000001" + HIDDEN)], exception(23, 3, 3)),
    ("smuggled write behind FC 17", "plc", [adu(24, "11" + HIDDEN)], exception(24, 17, 3)),
    ("two pipelined, second denied", "plc", [adu(30, READ) + adu(31, "0601900001")], adu(30, READ_OK) + exception(31, 6, 1)),
    ("two pipelined, first denied", "plc", [adu(31, "0601900001") + adu(30, READ)], exception(31, 6, 1) + adu(30, READ_OK)),
]

# Function codes with an exact length, and codes that nobody knows: a write hides behind each.
CARRIERS = {
    "FC 1": "0100000001", "FC 3": "0300000001", "FC 5": "050000ff00", "FC 6": "0600640001", "FC 7": "07",
    "FC 8/0": "0800001234", "FC 11": "0b", "FC 15": "0f000000010101", "FC 16": "1000640001020001", "FC 17": "11",
    "FC 20": "140706000400010002", "FC 22": "160064ffff0000", "FC 23": "17000000010064000102" + "0007",
    "FC 24": "180000", "FC 43/14": "2b0e0100", "FC 100": "64aabb",
}

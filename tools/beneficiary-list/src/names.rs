//! Material for names: all tones, all vowels of the Vietnamese alphabet, minority names with letters outside it.

pub(crate) const SURNAMES: [&str; 20] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô",
    "Dương", "Lý", "Đoàn", "Quách", "Mạc", "Thạch",
];

pub(crate) const MIDDLE_MEN: [&str; 8] = ["Văn", "Hữu", "Đức", "Công", "Quốc", "Xuân", "Thế", "Bá"];

pub(crate) const MIDDLE_WOMEN: [&str; 8] = [
    "Thị",
    "Thị Mỹ",
    "Thị Ngọc",
    "Thị Thúy",
    "Thị Kim",
    "Thị Diệu",
    "Thị Ái",
    "Tuyết",
];

pub(crate) const GIVEN_MEN: [&str; 16] = [
    "An", "Bảo", "Chiến", "Dũng", "Đạt", "Hòa", "Hưng", "Khỏe", "Lượng", "Mạnh", "Nghĩa", "Phước", "Quý",
    "Sỹ", "Thuở", "Vượng",
];

pub(crate) const GIVEN_WOMEN: [&str; 16] = [
    "Ánh",
    "Bưởi",
    "Cẩm",
    "Duyên",
    "Đẹp",
    "Gấm",
    "Hạnh",
    "Hường",
    "Lụa",
    "Mẫn",
    "Nguyệt",
    "Oanh",
    "Phượng",
    "Quỳnh",
    "Thủy",
    "Yến",
];

/// Names that test more than most: the longest plausible one, minority names with F, J, W, Z and breves.
pub(crate) const UNUSUAL: [&str; 4] = [
    "Công Tằng Tôn Nữ Nguyễn Phước Hoàng Thị Thùy Dương Quỳnh Như",
    "Y Zăk Jrai Wơn",
    "H’Wen Ayŭn Niê Kđăm",
    "Fatimah Zahrah K’Jơng",
];

import pytest

from asd.names import parse_attributes, parse_name, stem


@pytest.mark.parametrize(
    ("name", "section", "domain", "split", "condition", "number"),
    [
        ("normal_id_00_00000012.wav", "00", None, None, "normal", 12),
        ("anomaly_id_06_00000001.wav", "06", None, None, "anomaly", 1),
        ("id_01_00000000.wav", "01", None, None, None, 0),
        ("section_03_source_test_0007.wav", "03", "source", "test", None, 7),
        ("section_00_target_test_anomaly_0001.wav", "00", "target", "test", "anomaly", 1),
        ("section_00_source_train_normal_0009_.wav", "00", "source", "train", "normal", 9),
        ("section_05_0199.wav", "05", None, None, None, 199),
        ("section_00_test_0199.flac", "00", None, "test", None, 199),
        ("section_00_target_normal_0091_weight35_BckgE", "00", "target", None, "normal", 91),
        ("section_00_machine_0001_.wav", "00", None, "supplemental", None, 1),
        ("section_00_noise_supplemental_normal_0003.wav", "00", None, "supplemental", None, 3),
        (
            "a/section_00_source_supplemental_machine_0004.wav",
            "00",
            "source",
            "supplemental",
            None,
            4,
        ),
    ],
)
def test_names_of_all_years(name, section, domain, split, condition, number):
    found = parse_name(name)
    assert (found.section, found.domain, found.split) == (section, domain, split)
    assert (found.condition, found.number) == (condition, number)


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("noAttribute", {}),
        ("", {}),
        ("car_A2_spd_28V_mic_1_noise_1", {"car": "A2", "spd": "28V", "mic": "1", "noise": "1"}),
        ("v1pat_00_v2pat_01", {"v1pat": "00", "v2pat": "01"}),
        ("vel_10_f-n_D", {"vel": "10", "f-n": "D"}),
        ("ac_0.03_", {"ac": "0.03"}),
        ("spd1000_BckgA", {"spd": "1000", "Bckg": "A"}),
        ("weight15BckgF", {"weight": "15", "Bckg": "F"}),
        (
            "mic_imp1absu_mic_pos_B_grind_2_bkg_E",
            {"mic_imp": "1absu", "mic_pos": "B", "grind": "2", "bkg": "E"},
        ),
        ("speed_3_weights_x_Bckground_y", {"speed": "3", "weights": "x", "Bckground": "y"}),
        ("strength_1_ambient", {"strength": "1", "ambient": ""}),
    ],
)
def test_attributes(text, pairs):
    assert dict(parse_attributes(text)) == pairs
    suffix = f"_{text}" if text else ""
    name = parse_name(f"section_00_source_train_normal_0000{suffix}.wav")
    assert dict(name.attributes) == pairs


@pytest.mark.parametrize(
    "name", ["monday.wav", "section_00.wav", "section_xx_0000.wav", "normal_id_00.wav", ""]
)
def test_other_names(name):
    assert parse_name(name) is None


def test_the_extension_goes_but_a_decimal_stays():
    assert stem("section_00_source_test_normal_0000_volt_1.5") == stem(
        "x\\section_00_source_test_normal_0000_volt_1.5.WAV"
    )

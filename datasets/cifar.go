package datasets

// CIFAR10 returns the Train (50000) or Test (10000) images of CIFAR-10 (Krizhevsky, Learning multiple
// layers of features from tiny images, 2009; www.cs.toronto.edu/~kriz/cifar.html), 32x32 in colour, 10
// classes. The first of these places that has them is taken: the folder of From or of $TOKENFUSE_DATA
// (there or in its cifar10), the user's cache (os.UserCacheDir, tokenfuse/datasets/cifar10), the
// original's download, 170 MB, which goes to that cache. A folder may hold the archive of the binary
// version, cifar-10-binary.tar.gz, or what is in it.
//
// A file with as many images as the original must be the original, by its SHA-256; only a folder that
// the user names may hold another number, up to 500000 of a split. A damaged file is an error that
// names it, except in the cache, where it is downloaded again. ErrNotFound is returned when no place
// has the files.
func CIFAR10(split Split, options ...Option) (*Images, error) {
	return cifar10().load(split, options...)
}

// CIFAR100 is CIFAR10 for CIFAR-100: as many images, 100 classes (the fine labels), the archive
// cifar-100-binary.tar.gz (169 MB), the folder cifar100.
func CIFAR100(split Split, options ...Option) (*Images, error) {
	return cifar100().load(split, options...)
}

const cifarURL = "https://www.cs.toronto.edu/~kriz"

// The archives' sums are those that TensorFlow Datasets and Julia's MLDatasets pin, for archives of the
// MD5 that the authors publish (CIFAR-10: c32a1d4ab5d03f1284b67883e8d87530, CIFAR-100:
// 03b5dce01913d631647c71ecec9e9cb8); those of the files inside are what torchvision for Ruby pins.
// Mean and Std are those of all pixels of the training images, as they are commonly rounded.

func cifar10() cifarSource {
	return cifarSource{
		name: "cifar10", url: cifarURL, archive: "cifar-10-binary.tar.gz", folder: "cifar-10-batches-bin",
		size: 170052171, sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
		classes:    []string{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
		labelBytes: 1,
		mean:       []float32{0.4914, 0.4822, 0.4465}, std: []float32{0.2470, 0.2435, 0.2616},
		files: map[Split][]cifarFile{
			Train: {
				{"data_batch_1.bin", 10000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
				{"data_batch_2.bin", 10000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
				{"data_batch_3.bin", 10000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
				{"data_batch_4.bin", 10000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
				{"data_batch_5.bin", 10000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
			},
			Test: {{"test_batch.bin", 10000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}},
		},
	}
}

func cifar100() cifarSource {
	return cifarSource{
		name: "cifar100", url: cifarURL, archive: "cifar-100-binary.tar.gz", folder: "cifar-100-binary",
		size: 168513733, sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
		classes: []string{
			"apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
			"bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
			"chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur",
			"dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard",
			"lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain",
			"mouse", "mushroom", "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
			"plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket",
			"rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider",
			"squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
			"train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman", "worm",
		},
		labelBytes: 2, // coarse, fine
		mean:       []float32{0.5071, 0.4865, 0.4409}, std: []float32{0.2673, 0.2564, 0.2762},
		files: map[Split][]cifarFile{
			Train: {{"train.bin", 50000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"}},
			Test:  {{"test.bin", 10000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"}},
		},
	}
}
